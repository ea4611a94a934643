//! Which operations may run beside each other: a pure decision by the rules of their kinds.

use expanse_core::wire::{ControlError, Operation};

use super::kind::Kinds;

impl Kinds {
    /// The refusal of `new`, if one of `journal` that has not finished conflicts with it.
    pub fn conflict(&self, journal: &[Operation], new: &Operation) -> Option<ControlError> {
        let running = journal
            .iter()
            .filter(|o| !o.state.finished())
            .find(|o| (self.collide)(o, new))?;
        let id = running.operation_id;
        let what = format!("{} of \"{}\"", running.kind.as_str(), running.target);
        Some(
            ControlError::new("XP021", format!("operation {id} is running: {what}"))
                .with_detail(format!(
                    "The {} of \"{}\" cannot begin before it has ended.",
                    new.kind.as_str(),
                    new.target
                ))
                .with_hint(format!(
                    "Wait for it with SELECT cluster_wait({id}), or stop it with SELECT cluster_cancel({id})."
                )),
        )
    }

    /// The earlier operation that the leader lets `waiting` wait for.
    pub fn must_wait<'a>(
        &self,
        journal: &'a [Operation],
        waiting: &Operation,
    ) -> Option<&'a Operation> {
        journal
            .iter()
            .filter(|o| o.operation_id < waiting.operation_id && !o.state.finished())
            .find(|o| (self.collide)(o, waiting) || (self.waits)(o, waiting))
    }
}
