//! Attempts to hold up writes, repeated with growing pauses until one makes it.

use std::time::Duration;

use expanse_core::wire::Freeze;
use tokio::time::sleep;

use super::attempt::{attempt, Stages};
use super::bound::bound_to;
use crate::kinds::rebind::copy::progress::catch_up;
use crate::kinds::rebind::plan::route::Purpose;
use crate::kinds::rebind::plan::MovePlan;
use crate::kinds::rebind::refusal::Refusal;
use crate::kinds::rebind::state::Rebind;
use crate::metrics;
use crate::operations::error::{Error, Result};
use crate::operations::Context;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// In `cluster_operations`.
const FREEZES_SHOWN: usize = 8;

/// How long to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// As many attempts as configured, and none after a cancellation.
    Limited,
    /// Until it is done: for what must be undone.
    Endless,
}

/// Attempts `purpose` until it is done.
///
/// # Errors
/// [`Error::Cancelled`] between two attempts, [`Refusal::NotHeldUp`] after the last; errors that repeating does not mend.
pub async fn until_done(
    context: &Context,
    plan: &MovePlan,
    purpose: Purpose,
    patience: Patience,
) -> Result<()> {
    let budget = budget(context)?;
    let mut pause = FIRST_PAUSE;
    let mut attempts = 0;
    while !already_done(context, plan, purpose).await? {
        if patience == Patience::Limited && context.cancelled().is_cancelled() {
            return Err(Error::Cancelled);
        }
        let (frozen, stages, outcome) = {
            let _alone = context.exclusive().lock().await;
            attempt(context, plan, purpose, budget).await
        };
        attempts += 1;
        metrics::observe_freeze("rebind", outcome.is_ok(), frozen);
        record(context, purpose, frozen, stages, outcome.as_ref().err()).await?;
        let Err(error) = outcome else { return Ok(()) };
        if !error.is_retryable() && !already_done(context, plan, purpose).await? {
            return Err(error);
        }
        if patience == Patience::Limited && attempts >= context.config().operations.switch_attempts
        {
            return Err(gave_up(budget, &error));
        }
        sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let near = catch_up(context, plan, purpose.drains());
        if patience == Patience::Endless {
            near.await?;
        } else {
            tokio::select! {
                () = context.cancelled().cancelled() => return Err(Error::Cancelled),
                outcome = near => outcome?,
            }
        }
    }
    Ok(())
}

/// Whether an attempt, of this leader or of one before, has bound the group already.
async fn already_done(context: &Context, plan: &MovePlan, purpose: Purpose) -> Result<bool> {
    match purpose.binds_to(plan) {
        Some(version) => bound_to(context, plan, version, purpose.binds_by(plan)).await,
        None => Ok(false),
    }
}

async fn record(
    context: &Context,
    purpose: Purpose,
    frozen: Duration,
    stages: Stages,
    error: Option<&Error>,
) -> Result<()> {
    let frozen_ms = frozen.as_secs_f64() * 1e3;
    let freeze = Freeze {
        purpose: format!("{purpose:?}").to_lowercase(),
        done: error.is_none(),
        ms: frozen_ms,
        stages: stages.reached(),
    };
    let outcome = match error {
        None => "done".to_owned(),
        Some(error) => error.to_string(),
    };
    tracing::info!(
        operation = context.id(),
        ?purpose,
        frozen_ms,
        stages = ?freeze.stages,
        outcome,
        "writes held up"
    );
    context
        .change(|entry| {
            let operation = &mut entry.operation;
            operation.freeze_attempts += 1;
            operation.freeze_outcome = Some(outcome);
            if !frozen.is_zero() {
                let shown = operation.freezes.len();
                operation
                    .freezes
                    .drain(..shown.saturating_sub(FREEZES_SHOWN - 1));
                operation.freezes.push(freeze);
            }
            operation.writes_waited_ms = operation.writes_waited_ms.max(frozen_ms);
        })
        .await
}

fn gave_up(limit: Duration, error: &Error) -> Error {
    let last = error.to_control();
    Refusal::NotHeldUp { limit, last }.into()
}

fn budget(context: &Context) -> Result<Duration> {
    let default = context.config().operations.max_write_freeze_ms as f64;
    let limits = context.parameters::<Rebind>()?.limits;
    let ms = limits.max_write_freeze_ms.unwrap_or(default);
    Ok(Duration::from_secs_f64(ms.clamp(10.0, 60_000.0) / 1e3))
}
