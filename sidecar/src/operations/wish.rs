//! What people may ask of an operation that is in the journal, and what the leader makes of it: pure decisions.
//!
//! A wish is a flag in the entry, so it outlives whoever leads. To pause comes before everything else and may be
//! asked at any time before the end, also of an undoing; to cancel only before the point of no return, and it ends a
//! pause.

use expanse_core::wire::{ControlError, OperationKind, OperationState};

use super::entry::JournalEntry;
use super::step::plan_of;

/// What somebody wants of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Cancel,
    Pause,
    Resume,
    /// Go back after a rebind's switch.
    Reverse,
    /// Be reversible no longer.
    Finish,
}

/// What the leader has to do about an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    Nothing,
    /// Write down that it stands still.
    Pause,
    Run,
}

/// Notes `wish` in `entry`; whether that changed anything.
///
/// # Errors
/// The refusal: the operation has finished (XP130), can not be undone any more (XP131), is not paused (XP132), is not a
/// rebind that has switched (XP129).
pub fn apply(entry: &mut JournalEntry, wish: Wish) -> Result<bool, ControlError> {
    let id = entry.operation.operation_id;
    if entry.state().finished() {
        return Err(
            ControlError::new("XP130", format!("operation {id} has already finished"))
                .with_detail(format!("Its state is {}.", entry.state().as_str()))
                .with_hint("See SELECT * FROM cluster_operations."),
        );
    }
    let wishes = |entry: &JournalEntry| {
        (
            entry.cancel_requested,
            entry.pause_requested,
            entry.finish_requested,
        )
    };
    let before = wishes(entry);
    match wish {
        Wish::Reverse | Wish::Finish if !is_rebind(entry) => {
            return Err(
                ControlError::new("XP129", format!("operation {id} is not a rebind"))
                    .with_hint(format!("Stop it with SELECT cluster_cancel({id}).")),
            )
        }
        Wish::Reverse if !past_return(entry) && !past(entry, "switch") => {
            return Err(
                ControlError::new("XP129", format!("operation {id} has not switched yet"))
                    .with_hint(format!("Stop it with SELECT cluster_cancel({id}).")),
            )
        }
        Wish::Finish if entry.cancel_requested && !past_return(entry) => {
            return Err(
                ControlError::new("XP129", format!("operation {id} is being undone"))
                    .with_hint(format!("Let it end: SELECT cluster_wait({id}).")),
            )
        }
        Wish::Cancel | Wish::Reverse if past_return(entry) => {
            return Err(ControlError::new(
                "XP131",
                format!("operation {id} can not be undone any more"),
            )
            .with_detail(format!(
                "Step \"{}\" was the point of no return.",
                turning_point(entry).unwrap_or_default()
            ))
            .with_hint(format!("Let it end: SELECT cluster_wait({id}).")))
        }
        Wish::Finish => entry.finish_requested = true,
        Wish::Cancel | Wish::Reverse => {
            (entry.cancel_requested, entry.pause_requested) = (true, false)
        }
        Wish::Pause => entry.pause_requested = true,
        Wish::Resume if !entry.pause_requested => {
            return Err(
                ControlError::new("XP132", format!("operation {id} is not paused"))
                    .with_detail(format!("Its state is {}.", entry.state().as_str())),
            )
        }
        Wish::Resume => entry.pause_requested = false,
    }
    Ok(before != wishes(entry))
}

/// What the leader has to do about `entry`, if nothing else stands in its way.
pub fn errand(entry: &JournalEntry) -> Errand {
    match (entry.state(), entry.pause_requested) {
        (state, _) if state.finished() => Errand::Nothing,
        (OperationState::Paused, true) => Errand::Nothing,
        (_, true) => Errand::Pause,
        (_, false) => Errand::Run,
    }
}

fn turning_point(entry: &JournalEntry) -> Option<&'static str> {
    plan_of(entry.operation.kind).map(|plan| plan.turning_point)
}

fn is_rebind(entry: &JournalEntry) -> bool {
    entry.operation.kind == OperationKind::Rebind
}

fn past_return(entry: &JournalEntry) -> bool {
    let closed = entry.memo.contains_key(super::rebind::CLOSED);
    closed || turning_point(entry).is_some_and(|step| past(entry, step))
}

/// Whether the operation goes forward and `step` is done.
fn past(entry: &JournalEntry, step: &str) -> bool {
    let direction = match entry.state() {
        OperationState::Paused => entry.paused_from,
        state => state,
    };
    direction != OperationState::RollingBack
        && plan_of(entry.operation.kind)
            .is_some_and(|plan| plan.frontier(&entry.operation.step) >= plan.frontier(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(state: OperationState, step: &str) -> JournalEntry {
        let mut entry = JournalEntry::new(7, OperationKind::Rebind, "t", serde_json::Value::Null);
        entry.operation.state = state;
        entry.operation.step = step.into();
        entry
    }

    fn refusal(entry: &JournalEntry, wish: Wish) -> Option<String> {
        apply(&mut entry.clone(), wish).err().map(|e| e.sqlstate)
    }

    #[test]
    fn every_wish_in_every_state_is_taken_or_refused_with_a_reason() {
        for state in OperationState::ALL {
            let at = entry(state, "copy");
            let finished = state.finished().then(|| "XP130".to_owned());
            assert_eq!(refusal(&at, Wish::Cancel), finished);
            assert_eq!(refusal(&at, Wish::Pause), finished);
            let not_paused = finished.or(Some("XP132".into()));
            assert_eq!(refusal(&at, Wish::Resume), not_paused);
        }
    }

    #[test]
    fn nothing_is_cancelled_past_the_point_of_no_return_but_all_can_be_paused() {
        let turned = entry(OperationState::Running, "close");
        assert_eq!(refusal(&turned, Wish::Cancel), Some("XP131".into()));
        assert_eq!(refusal(&turned, Wish::Pause), None);
        let mut paused = turned.clone();
        paused.operation.state = OperationState::Paused;
        paused.paused_from = OperationState::Running;
        paused.pause_requested = true;
        assert_eq!(refusal(&paused, Wish::Cancel), Some("XP131".into()));
        assert_eq!(refusal(&paused, Wish::Resume), None);
    }

    #[test]
    fn a_rebind_is_reversed_between_its_switch_and_the_point_of_no_return() {
        let code = |step: &str, wish| refusal(&entry(OperationState::Running, step), wish);
        assert_eq!(code("catch_up", Wish::Reverse), Some("XP129".into()));
        assert_eq!(code("switch", Wish::Reverse), None);
        assert_eq!(code("verify", Wish::Reverse), None);
        assert_eq!(code("close", Wish::Reverse), Some("XP131".into()));
        assert_eq!(code("verify", Wish::Finish), None);
        let mut closing = entry(OperationState::Running, "reversible");
        closing.memo.insert("closed".into(), true.into());
        assert_eq!(refusal(&closing, Wish::Reverse), Some("XP131".into()));
        let mut back = entry(OperationState::Running, "verify");
        assert_eq!(apply(&mut back, Wish::Reverse), Ok(true));
        assert!(back.cancel_requested);
        assert_eq!(refusal(&back, Wish::Finish), Some("XP129".into()));
        let mut other = entry(OperationState::Running, "");
        other.operation.kind = OperationKind::Expand;
        assert_eq!(refusal(&other, Wish::Reverse), Some("XP129".into()));
    }

    #[test]
    fn a_pause_stands_until_resumed_or_cancelled() {
        for end in [Wish::Resume, Wish::Cancel] {
            let mut entry = entry(OperationState::Running, "plan");
            assert_eq!(errand(&entry), Errand::Run);
            assert_eq!(apply(&mut entry, Wish::Pause), Ok(true));
            assert_eq!(apply(&mut entry, Wish::Pause), Ok(false));
            assert_eq!(errand(&entry), Errand::Pause);
            entry.operation.state = OperationState::Paused;
            assert_eq!(errand(&entry), Errand::Nothing);
            assert_eq!(apply(&mut entry, end), Ok(true));
            assert_eq!(errand(&entry), Errand::Run);
            assert_eq!(entry.cancel_requested, end == Wish::Cancel);
        }
    }
}
