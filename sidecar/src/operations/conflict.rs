//! Which operations may run at the same time: a pure decision by the rules of their kinds.

use expanse_core::wire::Operation;

use super::kind::Kinds;
use super::refusal::Refusal;

impl Kinds {
    /// The refusal of `new`, if one of `journal` that has not finished conflicts with it.
    pub fn conflict(&self, journal: &[Operation], new: &Operation) -> Option<Refusal> {
        let running = journal
            .iter()
            .filter(|o| !o.state.finished())
            .find(|o| (self.collide)(o, new))?;
        Some(Refusal::Conflict {
            running: running.operation_id,
            kind: running.kind,
            target: running.target.clone(),
            new_kind: new.kind,
            new_target: new.target.clone(),
        })
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
