//! Rebinds that belong to a larger operation: entries of the journal of their own, a few at once. One that waits or
//! fails never holds up the others; each can be paused and cancelled by itself.

use std::time::Duration;

use expanse_core::wire::{ControlError, Operation, OperationKind, OperationState};
use serde_json::{json, Value};
use tokio::time::sleep;

use super::context::Context;
use super::entry::parameter;
use super::error::{Error, Result};
use super::submit::submit;
use super::wish::Wish;

const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Rebinds the groups of `relations`, in this order, `at_once` at a time, and waits for all of them. One that only waits
/// for somebody who may want it reversed makes room for the next.
///
/// # Errors
/// The first error that one ended with, once all have ended; those of the store.
pub async fn rebind(context: &Context, relations: &[String], at_once: usize) -> Result<()> {
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
            match start(context, relation).await {
                Ok(id) => {
                    running.extend(id);
                    at_work += id.iter().len();
                }
                Err(Error::Refused(refusal)) => refusals.push(refusal),
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
            if child.state().finished() {
                ended.push(child.operation);
            } else {
                at_work += usize::from(!waits_to_be_reversed(&child.operation));
                still.push(id);
            }
        }
        running = still;
        show(context, &shown, relations.len()).await?;
        if running.is_empty() && waiting.len() == 0 {
            let failure = refusals.into_iter().next().or_else(|| failure(&ended));
            return failure.map_or(Ok(()), |error| Err(Error::Refused(error)));
        }
        sleep(LOOK_INTERVAL).await;
    }
}

/// The rebind of a relation's group: a new one, or one that runs already. `None` for a relation that is gone.
async fn start(context: &Context, relation: &str) -> Result<Option<i64>> {
    let submitted = submit(
        context.journal(),
        context.executor(),
        context.local(),
        OperationKind::Rebind,
        relation,
        parameters(context),
    );
    match submitted.await {
        Ok(id) => Ok(Some(id)),
        Err(Error::Refused(refusal)) if refusal.sqlstate == "XP018" => Ok(None),
        Err(Error::Refused(refusal)) if refusal.sqlstate == "XP021" => {
            running_id(&refusal).map_or(Err(Error::Refused(refusal)), |id| Ok(Some(id)))
        }
        Err(error) => Err(error),
    }
}

fn waits_to_be_reversed(child: &Operation) -> bool {
    child.state == OperationState::Running && child.phase == "reversible"
}

/// What the rebinds take over from the operation that they belong to.
pub fn parameters(context: &Context) -> Value {
    json!({
        "submitted_by": context.id(),
        "max_write_freeze_ms": context.parameter::<f64>("max_write_freeze_ms"),
        "reversible_for_ms": context.parameter::<f64>("reversible_for_ms"),
        "max_rate": context.parameter::<i64>("max_rate"),
    })
}

/// The operation that a conflict names: `operation 7 is running`.
fn running_id(refusal: &ControlError) -> Option<i64> {
    let words = refusal.message.strip_prefix("operation ")?;
    words.split(' ').next()?.parse().ok()
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

fn failure(ended: &[Operation]) -> Option<ControlError> {
    let bad = ended
        .iter()
        .find(|child| child.state != OperationState::Succeeded)?;
    let (id, target) = (bad.operation_id, &bad.target);
    let said = bad.error.clone();
    let sqlstate = said.as_ref().map_or("XP136", |error| &error.sqlstate);
    let mut error = ControlError::new(
        sqlstate,
        format!(
            "operation {id} (rebind of \"{target}\") has {}",
            bad.state.as_str()
        ),
    );
    error.detail = said.as_ref().map(|error| error.message.clone());
    error.hint = said.and_then(|error| error.hint);
    Some(error)
}

/// The operation's own rebinds that have not finished.
async fn unfinished(context: &Context) -> Result<Vec<Operation>> {
    let all = context.journal().list().await?;
    let own = all.into_iter().filter(|operation| {
        !operation.state.finished()
            && parameter::<i64>(&operation.parameters, "submitted_by") == Some(context.id())
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
        wish(context, &left, Wish::Cancel).await?;
        // One that was paused past its point of no return has to go on.
        wish(context, &left, Wish::Resume).await?;
        sleep(LOOK_INTERVAL).await;
    }
}

/// Lets all stand still.
///
/// # Errors
/// Those of the store.
pub async fn pause(context: &Context) -> Result<()> {
    wish(context, &unfinished(context).await?, Wish::Pause).await
}

/// Lets all go on.
///
/// # Errors
/// Those of the store.
pub async fn resume(context: &Context) -> Result<()> {
    wish(context, &unfinished(context).await?, Wish::Resume).await
}

async fn wish(context: &Context, children: &[Operation], wish: Wish) -> Result<()> {
    for child in children {
        match context.journal().request(child.operation_id, wish).await {
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

    #[test]
    fn a_conflict_names_the_operation_that_is_adopted() {
        let running = Operation::new(17, OperationKind::Rebind, "public.t");
        let refusal =
            super::super::conflict::conflict(&[running], OperationKind::Rebind, "public.t", None);
        assert_eq!(running_id(&refusal.unwrap()), Some(17));
    }

    #[test]
    fn the_first_failure_is_told_with_its_reason() {
        let mut good = Operation::new(1, OperationKind::Rebind, "a");
        good.state = OperationState::Succeeded;
        assert_eq!(failure(std::slice::from_ref(&good)), None);
        let mut bad = Operation::new(2, OperationKind::Rebind, "b");
        bad.state = OperationState::Failed;
        bad.error = Some(ControlError::new("XP122", "no slots").with_hint("Make some."));
        let told = failure(&[good, bad]).unwrap();
        assert_eq!(told.sqlstate, "XP122");
        assert_eq!(told.detail.as_deref(), Some("no slots"));
        assert!(told.message.contains("operation 2"));
    }
}
