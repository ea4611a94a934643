//! Which operations may run beside each other: a pure decision.

use expanse_core::wire::{ControlError, Operation, OperationKind};

use super::entry::parameter;

/// The refusal of `kind` on `target`, if one of `journal` that has not finished stands in its way.
pub fn conflict(
    journal: &[Operation],
    kind: OperationKind,
    target: &str,
    group_id: Option<i32>,
) -> Option<ControlError> {
    let running = journal
        .iter()
        .filter(|o| !o.state.finished())
        .find(|o| collide(o, kind, group_id))?;
    let id = running.operation_id;
    let what = format!("{} of \"{}\"", running.kind.as_str(), running.target);
    Some(
        ControlError::new("XP021", format!("operation {id} is running: {what}"))
            .with_detail(format!(
                "A {} of \"{target}\" can not begin before it has ended.",
                kind.as_str()
            ))
            .with_hint(format!(
                "Wait for it with SELECT cluster_wait({id}), or stop it with SELECT cluster_cancel({id})."
            )),
    )
}

/// Expansions and shrinks change the set of nodes one after the other; a group is moved by one
/// rebind at a time. A rebind that is submitted during an expansion waits for it ([`must_wait`]).
fn collide(running: &Operation, kind: OperationKind, group_id: Option<i32>) -> bool {
    use OperationKind::{Expand, Rebind, Shrink};
    match (running.kind, kind) {
        (Expand | Shrink, Expand | Shrink) => true,
        (Rebind, Rebind) => group_of(running) == group_id,
        (Expand | Shrink, Rebind) | (Rebind, Expand | Shrink) => false,
    }
}

/// Whether the leader lets `waiting` wait until an earlier operation has ended.
pub fn must_wait<'a>(journal: &'a [Operation], waiting: &Operation) -> Option<&'a Operation> {
    journal
        .iter()
        .filter(|o| o.operation_id < waiting.operation_id && !o.state.finished())
        .find(|o| {
            collide(o, waiting.kind, group_of(waiting))
                || (waiting.kind == OperationKind::Rebind && o.kind != OperationKind::Rebind)
        })
}

pub fn group_of(operation: &Operation) -> Option<i32> {
    parameter(&operation.parameters, "group_id")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expanse_core::wire::OperationState;
    use serde_json::json;

    fn operation(
        id: i64,
        kind: OperationKind,
        state: OperationState,
        group: Option<i32>,
    ) -> Operation {
        let mut operation = Operation::new(id, kind, "t");
        operation.state = state;
        operation.parameters = json!({ "group_id": group });
        operation
    }

    #[test]
    fn one_expand_at_a_time_and_one_rebind_a_group() {
        use OperationKind::{Expand, Rebind};
        use OperationState::{Running, Succeeded};
        let journal = [
            operation(1, Expand, Running, None),
            operation(2, Rebind, Running, Some(4)),
        ];
        let refusal = conflict(&journal, Expand, "n5", None).unwrap();
        assert_eq!(refusal.sqlstate, "XP021");
        assert!(refusal.message.contains("operation 1"));
        assert!(conflict(&journal, Rebind, "t", Some(4)).is_some());
        assert!(conflict(&journal, Rebind, "u", Some(5)).is_none());
        let done = [operation(1, Expand, Succeeded, None)];
        assert!(conflict(&done, Expand, "n5", None).is_none());
    }

    #[test]
    fn a_rebind_waits_for_an_earlier_expand_and_never_the_other_way_round() {
        use OperationKind::{Expand, Rebind};
        use OperationState::{Pending, Running};
        let expand = operation(1, Expand, Running, None);
        let rebind = operation(2, Rebind, Pending, Some(1));
        assert_eq!(
            must_wait(std::slice::from_ref(&expand), &rebind),
            Some(&expand)
        );
        let expand = operation(3, Expand, Pending, None);
        assert_eq!(must_wait(&[rebind], &expand), None);
    }
}
