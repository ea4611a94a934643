//! Rebinds that belong to a larger operation: entries of the journal of their own, a few at once. One that waits or
//! fails never holds up the others; each can be paused and cancelled by itself.

use std::time::Duration;

use expanse_core::wire::{Operation, OperationKind, OperationState};
use serde_json::{json, Value};
use tokio::time::sleep;

use super::rebind::{Limits, Rebind, REVERSIBLE};
use super::refusal::Refusal;
use crate::operations::error::{Error, Result};
use crate::operations::request::Request;
use crate::operations::state::parameters as parameters_of;
use crate::operations::submit::submit;
use crate::operations::Context;
use crate::operations::{self, Desk};

const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Rebinds the groups of `relations`, in this order, `at_once` at a time, and waits for all of them. One that only stays
/// reversible for a while makes room for the next.
///
/// # Errors
/// The first error that one ended with, once all have ended; those of the store.
pub async fn rebind(
    context: &Context,
    relations: &[String],
    at_once: usize,
    limits: &Limits,
) -> Result<()> {
    let mut waiting = relations.iter();
    let mut running: Vec<i64> = Vec::new();
    let mut at_work = 0;
    let mut ended: Vec<Operation> = Vec::new();
    let mut refusals = Vec::new();
    loop {
        while at_work < at_once {
            let Some(relation) = waiting.next() else {
                break;
            };
            match submit_one(context, relation, limits).await {
                Ok(id) => {
                    running.extend(id);
                    at_work += id.iter().len();
                }
                // It keeps none of the others from its rebind.
                Err(error @ Error::Refused(_)) if !error.is_retryable() => refusals.push(error),
                Err(error) => return Err(error),
            }
        }
        let mut shown = ended.clone();
        let mut still = Vec::new();
        at_work = 0;
        for id in running {
            let Some((child, _)) = context.journal().get(id).await? else {
                continue;
            };
            shown.push(child.operation.clone());
            if child.progress().finished() {
                ended.push(child.operation);
            } else {
                at_work += usize::from(!waits_to_be_reversed(&child.operation));
                still.push(id);
            }
        }
        running = still;
        show(context, &shown, relations.len()).await?;
        if running.is_empty() && waiting.len() == 0 {
            let failure = || failure(&ended).map(Error::from);
            return refusals
                .into_iter()
                .next()
                .or_else(failure)
                .map_or(Ok(()), Err);
        }
        sleep(LOOK_INTERVAL).await;
    }
}

/// The rebind of a relation's group: a new one, or one that runs already. `None` for a relation that is gone.
async fn submit_one(context: &Context, relation: &str, limits: &Limits) -> Result<Option<i64>> {
    let error = match submit_rebind(context, relation, limits).await {
        Ok(id) => return Ok(Some(id)),
        Err(error) => error,
    };
    if matches!(error.refusal(), Some(Refusal::NotDistributed { .. })) {
        return Ok(None);
    }
    match error.refusal() {
        Some(operations::Refusal::Conflict { running, .. }) => Ok(Some(*running)),
        _ => Err(error),
    }
}

fn waits_to_be_reversed(child: &Operation) -> bool {
    child.state == OperationState::Running && child.phase == REVERSIBLE
}

/// Submits the rebind of a relation's group, which takes over `limits` from the operation that it belongs to; its id.
///
/// # Errors
/// As [`submit`].
pub async fn submit_rebind(context: &Context, relation: &str, limits: &Limits) -> Result<i64> {
    let desk = Desk {
        executor: context.executor(),
        local: context.local(),
    };
    let parameters = parameters(context.id(), limits);
    submit(
        context.journal(),
        desk,
        OperationKind::Rebind,
        relation,
        parameters,
    )
    .await
}

fn parameters(submitted_by: i64, limits: &Limits) -> Value {
    json!({
        "submitted_by": submitted_by,
        "max_write_freeze_ms": limits.max_write_freeze_ms,
        "reversible_for_ms": limits.reversible_for_ms,
        "max_rate": limits.max_rate,
    })
}

async fn show(context: &Context, children: &[Operation], all: usize) -> Result<()> {
    let sum = |of: fn(&Operation) -> i64| children.iter().map(of).sum();
    let done = children.iter().filter(|c| c.state.finished()).count();
    let (rows_done, rows_total) = (sum(|c| c.rows_done), sum(|c| c.rows_total));
    let (bytes_done, bytes_total) = (sum(|c| c.bytes_done), sum(|c| c.bytes_total));
    let waited = children.iter().map(|c| c.writes_waited_ms);
    let waited = waited.fold(0.0, f64::max);
    context
        .report(|operation| {
            operation.phase = format!("rebind: {done} of {all} groups");
            operation.rows_done = rows_done;
            operation.rows_total = rows_total;
            operation.bytes_done = bytes_done;
            operation.bytes_total = bytes_total;
            operation.writes_waited_ms = operation.writes_waited_ms.max(waited);
        })
        .await
}

fn failure(ended: &[Operation]) -> Option<Refusal> {
    let bad = ended
        .iter()
        .find(|child| child.state != OperationState::Succeeded)?;
    Some(Refusal::RebindFailed {
        id: bad.operation_id,
        target: bad.target.clone(),
        state: bad.state,
        said: bad.error.clone(),
    })
}

/// The operation's own rebinds that have not finished.
async fn unfinished(context: &Context) -> Result<Vec<Operation>> {
    let all = context.journal().list().await?;
    let own = all.into_iter().filter(|operation| {
        !operation.state.finished()
            && operation.kind == OperationKind::Rebind
            && parameters_of::<Rebind>(&operation.parameters)
                .is_ok_and(|parameters| parameters.submitted_by == Some(context.id()))
    });
    Ok(own.collect())
}

/// Cancels what can still be undone, and waits until all have ended.
///
/// # Errors
/// Those of the store.
pub async fn cancel(context: &Context) -> Result<()> {
    loop {
        let left = unfinished(context).await?;
        if left.is_empty() {
            return Ok(());
        }
        request(context, &left, Request::Cancel).await?;
        // One that was paused past its point of no return has to go on.
        request(context, &left, Request::Resume).await?;
        sleep(LOOK_INTERVAL).await;
    }
}

/// Pauses all.
///
/// # Errors
/// Those of the store.
pub async fn pause(context: &Context) -> Result<()> {
    request(context, &unfinished(context).await?, Request::Pause).await
}

/// Resumes all.
///
/// # Errors
/// Those of the store.
pub async fn resume(context: &Context) -> Result<()> {
    request(context, &unfinished(context).await?, Request::Resume).await
}

async fn request(context: &Context, children: &[Operation], request: Request) -> Result<()> {
    for child in children {
        match context.journal().request(child.operation_id, request).await {
            // It has ended meanwhile, or does so already.
            Ok(()) | Err(Error::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expanse_core::sqlstate;
    use expanse_core::wire::ControlError;

    #[test]
    fn the_first_failure_is_told_with_its_reason() {
        let mut good = Operation::new(1, OperationKind::Rebind, "a");
        good.state = OperationState::Succeeded;
        assert_eq!(failure(std::slice::from_ref(&good)), None);
        let mut bad = Operation::new(2, OperationKind::Rebind, "b");
        bad.state = OperationState::Failed;
        let said = ControlError::new(sqlstate::SETTING_TOO_LOW, "no slots").with_hint("Make some.");
        bad.error = Some(said.clone());
        let told = Refusal::RebindFailed {
            id: 2,
            target: "b".into(),
            state: OperationState::Failed,
            said: Some(said),
        };
        assert_eq!(failure(&[good, bad]), Some(told));
    }
}
