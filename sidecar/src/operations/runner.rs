//! Runs one operation to its end, forwards or backwards, from wherever the journal says it is.

use std::time::Duration;

use expanse_core::sqlstate;
use expanse_core::wire::OperationState;
use futures_util::future::BoxFuture;
use tokio::time::{sleep, Instant};
use tokio_postgres::error::SqlState;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::error::{Error, Result};
use super::step::Plan;
use crate::metrics;
use crate::sys::now;

/// The longest wait between two tries of a step.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// In front of the phase that a paused operation was in.
const PAUSED: &str = "paused: ";

/// Runs `context`'s operation by `plan` until it has finished, is paused, or this sidecar is deposed.
///
/// # Errors
/// [`Error::Deposed`]; errors of the store that outlast every repetition. In both cases the
/// next leader goes on.
pub async fn run(context: &Context, plan: &Plan) -> Result<()> {
    let deposed = context.deposed();
    tokio::select! {
        () = deposed.cancelled() => Err(Error::Deposed),
        outcome = drive(context, plan) => outcome,
        () = async { context.watch_requests().await; std::future::pending().await } => Ok(()),
    }
}

async fn drive(context: &Context, plan: &Plan) -> Result<()> {
    if context.entry().pause_requested {
        return pause(context, plan).await;
    }
    resume(context, plan).await?;
    if context.entry().progress() != OperationState::RollingBack {
        match forwards(context, plan).await {
            Ok(()) => return finish(context, OperationState::Succeeded).await,
            Err(Error::Deposed) => return Err(Error::Deposed),
            Err(Error::Cancelled) if !cancelled(context).await? => {
                return pause(context, plan).await
            }
            Err(error) => turn_back(context, &error).await?,
        }
    }
    match backwards(context, plan).await {
        Err(Error::Cancelled) => return pause(context, plan).await,
        outcome => outcome?,
    }
    let cancelled = matches!(context.entry().operation.error, Some(e) if e.sqlstate == SqlState::QUERY_CANCELED.code());
    let end = if cancelled {
        OperationState::Cancelled
    } else {
        OperationState::Failed
    };
    finish(context, end).await
}

async fn turn_back(context: &Context, error: &Error) -> Result<()> {
    log_rollback(context, error);
    let control = error.to_control();
    context
        .change(|entry| {
            entry.operation.state = OperationState::RollingBack;
            entry.operation.phase = "rollback".into();
            entry.operation.error = Some(control);
        })
        .await
}

/// Whether the interruption was a request to undo the operation, and not to pause it.
async fn cancelled(context: &Context) -> Result<bool> {
    retried(context, true, || Box::pin(context.read_requests())).await?;
    let entry = context.entry();
    Ok(entry.cancel_requested && !entry.pause_requested)
}

/// Pauses the operation where it is; one that has been resumed meanwhile is started again by the leader.
async fn pause(context: &Context, plan: &Plan) -> Result<()> {
    retried(context, true, || Box::pin(context.read_requests())).await?;
    if !context.entry().pause_requested {
        return Ok(());
    }
    if let Some(suspend) = plan.suspend {
        if let Err(error) = suspend(context).await {
            tracing::info!(operation = context.id(), %error, "its streams go on while it is paused");
        }
    }
    tracing::info!(operation = context.id(), "paused");
    context
        .change(|entry| {
            let operation = &mut entry.operation;
            if operation.state != OperationState::Paused {
                entry.paused_from = operation.state;
                operation.phase = format!("{PAUSED}{}", operation.phase);
            }
            operation.state = OperationState::Paused;
        })
        .await
}

async fn resume(context: &Context, plan: &Plan) -> Result<()> {
    if context.entry().progress() != OperationState::Paused {
        return Ok(());
    }
    if let Some(resume) = plan.resume {
        retried(context, true, || of_member(context, resume)).await?;
    }
    tracing::info!(operation = context.id(), "resumed");
    context
        .change(|entry| {
            let operation = &mut entry.operation;
            operation.state = entry.paused_from;
            let phase = operation.phase.strip_prefix(PAUSED).map(str::to_owned);
            operation.phase = phase.unwrap_or_default();
        })
        .await
}

fn log_rollback(context: &Context, error: &Error) {
    match error {
        Error::Cancelled => tracing::info!(operation = context.id(), "cancelled, rolling back"),
        _ => tracing::warn!(operation = context.id(), %error, "failed, rolling back"),
    }
}

/// # Errors
/// Why it cannot go forward; then the turning point has not been passed.
async fn forwards(context: &Context, plan: &Plan) -> Result<()> {
    let turning = plan.turning_index();
    let first = plan.frontier(&context.entry().operation.step);
    for at in first..plan.steps.len() {
        let step = &plan.steps[at];
        let turned = at > turning;
        let started = Instant::now();
        begin(context, step.phase).await?;
        if at == turning && retried(context, true, || of_member(context, plan.turned)).await? {
            done(context, step.name).await?;
            continue;
        }
        let work = retried(context, turned, || of_member(context, step.action));
        let outcome = if plan.uninterruptible.contains(&step.name) {
            work.await
        } else if turned {
            unless(context.paused(), work).await
        } else {
            unless(context.cancelled(), work).await
        };
        match outcome {
            Ok(()) => done(context, step.name).await?,
            // Its own word is not enough: the answer may have been lost on the way.
            Err(error) if at == turning && !matches!(error, Error::Deposed) => {
                if !retried(context, true, || of_member(context, plan.turned)).await? {
                    return Err(error);
                }
                done(context, step.name).await?;
            }
            Err(error) => return Err(error),
        }
        tracing::info!(operation = context.id(), step = step.name, "step done");
        let kind = context.entry().operation.kind;
        metrics::observe_phase(kind.as_str(), step.name, started.elapsed());
    }
    Ok(())
}

async fn backwards(context: &Context, plan: &Plan) -> Result<()> {
    let last_done = context.entry().operation.step.clone();
    let frontier = plan.frontier(&last_done).min(plan.steps.len() - 1);
    for at in (0..=frontier).rev() {
        if let Some(undo) = plan.steps[at].undo {
            let work = retried(context, true, || of_member(context, undo));
            unless(context.paused(), work).await?;
            tracing::info!(
                operation = context.id(),
                step = plan.steps[at].name,
                "step undone"
            );
        }
        let step = plan.done_before(at);
        context
            .change(|entry| {
                entry.operation.step = step.to_owned();
                entry.operation.phase = "rollback".into();
            })
            .await?;
    }
    Ok(())
}

/// `work`, unless `interruption` comes first: a step that is left in the middle is done again as a whole.
async fn unless<T>(
    interruption: &CancellationToken,
    work: impl std::future::Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        biased;
        () = interruption.cancelled() => Err(Error::Cancelled),
        outcome = work => outcome,
    }
}

async fn begin(context: &Context, phase: &str) -> Result<()> {
    retried(context, true, || {
        Box::pin(context.change(move |entry| {
            let operation = &mut entry.operation;
            operation.state = OperationState::Running;
            operation.phase = phase.to_owned();
            operation.started_at.get_or_insert_with(now);
        }))
    })
    .await
}

async fn done(context: &Context, step: &'static str) -> Result<()> {
    retried(context, true, || {
        Box::pin(context.change(move |entry| {
            entry.operation.step = step.to_owned();
            entry.operation.error = None;
        }))
    })
    .await
}

async fn finish(context: &Context, state: OperationState) -> Result<()> {
    tracing::info!(
        operation = context.id(),
        state = state.as_str(),
        "operation finished"
    );
    retried(context, true, || {
        Box::pin(context.change(move |entry| {
            entry.operation.state = state;
            entry.operation.phase = "finished".into();
            entry.operation.finished_at.get_or_insert_with(now);
        }))
    })
    .await
}

/// `work`, on a leader whose own server is still part of the cluster: to any other, an empty answer would mean that there
/// is nothing to do.
fn of_member<'a, T: 'a>(
    context: &'a Context,
    work: fn(&'a Context) -> BoxFuture<'a, Result<T>>,
) -> BoxFuture<'a, Result<T>> {
    Box::pin(async move {
        context.nodes().await?;
        work(context).await
    })
}

/// Repeats `work` after errors that may pass: forever, or until the configured time has gone by
/// since the first failure. What it ran into can be seen in `cluster_operations` meanwhile.
async fn retried<'a, T>(
    context: &'a Context,
    for_ever: bool,
    mut work: impl FnMut() -> BoxFuture<'a, Result<T>>,
) -> Result<T> {
    let patience = Duration::from_millis(context.config().operations.give_up_after_ms);
    let mut first_failure = None;
    let mut pause = Duration::from_millis(100);
    loop {
        let error = match work().await {
            Err(error) => error,
            done => return done,
        };
        if matches!(error, Error::Deposed | Error::Cancelled) {
            return Err(error);
        }
        let since = *first_failure.get_or_insert_with(Instant::now);
        let may_pass = error.is_retryable() || left_the_cluster(&error);
        if !for_ever && (!may_pass || since.elapsed() > patience) {
            return Err(error);
        }
        tracing::info!(operation = context.id(), %error, "will try again");
        let control = error.to_control();
        let shown = context
            .report(|operation| match operation.state {
                // Why it is rolled back is what counts in the end.
                OperationState::RollingBack => operation.phase = format!("rollback: {error}"),
                _ => operation.error = Some(control),
            })
            .await;
        if matches!(shown, Err(Error::Deposed)) {
            return Err(Error::Deposed);
        }
        sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A leader whose own server has just left the cluster gives up leading at the next look; the next one goes on.
fn left_the_cluster(error: &Error) -> bool {
    error.has_code(sqlstate::NOT_IN_CLUSTER.code)
}
