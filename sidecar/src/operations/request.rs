//! What may be requested of an operation that is in the journal, and what the leader makes of it: pure decisions.
//!
//! A request is a flag in the entry, so it outlives the leader. A pause comes before everything else and may be
//! requested at any time before the end, also of an undoing; a cancellation only before the point of no return, and it
//! ends a pause.

use expanse_core::wire::OperationState;

use super::journal::JournalEntry;
use super::refusal::Refusal;
use super::step::Plan;

/// What is requested of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    Cancel,
    Pause,
    Resume,
    /// Go back after it has had its effect.
    Reverse,
    /// Be reversible no longer.
    Finish,
}

/// What the leader has to do about an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    Nothing,
    /// Write down that it is paused.
    Pause,
    Run,
}

/// Notes `request` in `entry`, which goes by `plan`; whether that changed anything.
///
/// # Errors
/// The refusal.
pub fn apply(
    entry: &mut JournalEntry,
    plan: Option<&Plan>,
    request: Request,
) -> Result<bool, Refusal> {
    let id = entry.operation.operation_id;
    let state = entry.progress();
    if state.finished() {
        return Err(Refusal::Finished { id, state });
    }
    let requests = |entry: &JournalEntry| {
        (
            entry.cancel_requested,
            entry.pause_requested,
            entry.finish_requested,
        )
    };
    let before = requests(entry);
    let reversal = plan.and_then(|plan| plan.reversal.as_ref());
    let past_return = past_return(entry, plan);
    match request {
        Request::Reverse | Request::Finish if reversal.is_none() => {
            let kind = entry.operation.kind;
            return Err(Refusal::NotReversible { id, kind });
        }
        Request::Reverse
            if !past_return && !reversal.is_some_and(|r| past(entry, plan, r.from)) =>
        {
            return Err(Refusal::NotSwitched { id })
        }
        Request::Finish if entry.cancel_requested && !past_return => {
            return Err(Refusal::BeingUndone { id })
        }
        Request::Cancel | Request::Reverse if past_return => {
            let step = plan.map_or("", |plan| plan.turning_point);
            return Err(Refusal::PastReturn { id, step });
        }
        Request::Finish => entry.finish_requested = true,
        Request::Cancel | Request::Reverse => {
            (entry.cancel_requested, entry.pause_requested) = (true, false)
        }
        Request::Pause => entry.pause_requested = true,
        Request::Resume if !entry.pause_requested => return Err(Refusal::NotPaused { id, state }),
        Request::Resume => entry.pause_requested = false,
    }
    Ok(before != requests(entry))
}

/// What the leader has to do about `entry`, if nothing else stands in its way.
pub fn due(entry: &JournalEntry) -> Due {
    match (entry.progress(), entry.pause_requested) {
        (state, _) if state.finished() => Due::Nothing,
        (OperationState::Paused, true) => Due::Nothing,
        (_, true) => Due::Pause,
        (_, false) => Due::Run,
    }
}

fn past_return(entry: &JournalEntry, plan: Option<&Plan>) -> bool {
    let reversal = plan.and_then(|plan| plan.reversal.as_ref());
    reversal.is_some_and(|reversal| (reversal.closed)(entry))
        || plan.is_some_and(|plan| past(entry, Some(plan), plan.turning_point))
}

/// Whether the operation goes forward and `step` is done.
fn past(entry: &JournalEntry, plan: Option<&Plan>, step: &str) -> bool {
    let direction = match entry.progress() {
        OperationState::Paused => entry.paused_from,
        state => state,
    };
    direction != OperationState::RollingBack
        && plan.is_some_and(|plan| plan.frontier(&entry.operation.step) >= plan.frontier(step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::step::{Reversal, Step};
    use expanse_core::wire::{Operation, OperationKind};

    const fn step(name: &'static str) -> Step {
        Step {
            name,
            phase: name,
            action: |_| Box::pin(async { Ok(()) }),
            undo: None,
        }
    }

    static PLAN: Plan = Plan {
        steps: &[
            step("plan"),
            step("copy"),
            step("switch"),
            step("verify"),
            step("close"),
        ],
        turning_point: "close",
        turned: |_| Box::pin(async { Ok(false) }),
        uninterruptible: &[],
        suspend: None,
        resume: None,
        reversal: Some(Reversal {
            from: "switch",
            // Stands for whatever a kind has in its state.
            closed: |entry| entry.attempts > 0,
        }),
    };
    static ONE_WAY: Plan = Plan {
        reversal: None,
        turned: |_| Box::pin(async { Ok(false) }),
        steps: PLAN.steps,
        turning_point: "close",
        uninterruptible: &[],
        suspend: None,
        resume: None,
    };

    fn entry(state: OperationState, step: &str) -> JournalEntry {
        let mut operation = Operation::new(ID, OperationKind::Rebind, "t");
        operation.state = state;
        operation.step = step.into();
        operation.into()
    }

    const ID: i64 = 7;
    const TOO_LATE: Refusal = Refusal::PastReturn {
        id: ID,
        step: "close",
    };

    fn refusal(entry: &JournalEntry, request: Request) -> Option<Refusal> {
        apply(&mut entry.clone(), Some(&PLAN), request).err()
    }

    #[test]
    fn every_request_in_every_state_is_taken_or_refused_with_a_reason() {
        for state in OperationState::ALL {
            let at = entry(state, "copy");
            let finished = state
                .finished()
                .then_some(Refusal::Finished { id: ID, state });
            assert_eq!(refusal(&at, Request::Cancel), finished);
            assert_eq!(refusal(&at, Request::Pause), finished);
            let not_paused = finished.or(Some(Refusal::NotPaused { id: ID, state }));
            assert_eq!(refusal(&at, Request::Resume), not_paused);
        }
    }

    #[test]
    fn nothing_is_cancelled_past_the_point_of_no_return_but_all_can_be_paused() {
        let turned = entry(OperationState::Running, "close");
        assert_eq!(refusal(&turned, Request::Cancel), Some(TOO_LATE));
        assert_eq!(refusal(&turned, Request::Pause), None);
        let mut paused = turned.clone();
        paused.operation.state = OperationState::Paused;
        paused.paused_from = OperationState::Running;
        paused.pause_requested = true;
        assert_eq!(refusal(&paused, Request::Cancel), Some(TOO_LATE));
        assert_eq!(refusal(&paused, Request::Resume), None);
    }

    #[test]
    fn an_operation_is_reversed_between_its_effect_and_the_point_of_no_return() {
        let code = |step: &str, request| refusal(&entry(OperationState::Running, step), request);
        assert_eq!(
            code("copy", Request::Reverse),
            Some(Refusal::NotSwitched { id: ID })
        );
        assert_eq!(code("switch", Request::Reverse), None);
        assert_eq!(code("verify", Request::Reverse), None);
        assert_eq!(code("close", Request::Reverse), Some(TOO_LATE));
        assert_eq!(code("verify", Request::Finish), None);
        let mut closing = entry(OperationState::Running, "verify");
        closing.attempts = 1;
        assert_eq!(refusal(&closing, Request::Reverse), Some(TOO_LATE));
        let mut back = entry(OperationState::Running, "verify");
        assert_eq!(apply(&mut back, Some(&PLAN), Request::Reverse), Ok(true));
        assert!(back.cancel_requested);
        assert_eq!(
            refusal(&back, Request::Finish),
            Some(Refusal::BeingUndone { id: ID })
        );
        let mut other = entry(OperationState::Running, "");
        assert_eq!(
            apply(&mut other, Some(&ONE_WAY), Request::Reverse),
            Err(Refusal::NotReversible {
                id: ID,
                kind: OperationKind::Rebind
            })
        );
    }

    #[test]
    fn a_pause_stands_until_resumed_or_cancelled() {
        for end in [Request::Resume, Request::Cancel] {
            let mut entry = entry(OperationState::Running, "plan");
            let take = |entry: &mut JournalEntry, request| apply(entry, Some(&PLAN), request);
            assert_eq!(due(&entry), Due::Run);
            assert_eq!(take(&mut entry, Request::Pause), Ok(true));
            assert_eq!(take(&mut entry, Request::Pause), Ok(false));
            assert_eq!(due(&entry), Due::Pause);
            entry.operation.state = OperationState::Paused;
            assert_eq!(due(&entry), Due::Nothing);
            assert_eq!(take(&mut entry, end), Ok(true));
            assert_eq!(due(&entry), Due::Run);
            assert_eq!(entry.cancel_requested, end == Request::Cancel);
        }
    }
}
