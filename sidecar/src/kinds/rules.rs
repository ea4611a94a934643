//! Which kinds of operations may run at the same time: a pure decision.

use expanse_core::wire::{Operation, OperationKind, OperationState};
use serde::Deserialize;

use crate::operations::state::optional;

/// Expansions and shrinks change the set of nodes one after the other, and storages only while it stays as it is; a group
/// is moved by one operation at a time. A rebind that is submitted during an expansion or while its group moves to another
/// storage [waits].
pub fn collide(running: &Operation, new: &Operation) -> bool {
    use OperationKind::{AddStorage, DropStorage, Expand, MoveTable, Rebind, RebindAll, Shrink};
    match (running.kind, new.kind) {
        (
            Expand | Shrink | AddStorage | DropStorage,
            Expand | Shrink | AddStorage | DropStorage,
        )
        | (MoveTable, Expand | Shrink | DropStorage)
        | (Expand | Shrink | DropStorage, MoveTable)
        | (RebindAll, RebindAll) => true,
        (Rebind, Rebind | MoveTable) => together(running, new),
        // Replicated tables move one by one.
        (MoveTable, MoveTable) => {
            running.target == new.target
                || group_of(new) != Some(0) && group_of(running) == group_of(new)
        }
        _ => false,
    }
}

/// A rebind waits for an expansion, which gives it a better map to move to, but not for one that is paused or goes back; a
/// shrink waits for rebinds, so these never wait for it.
pub fn waits(earlier: &Operation, waiting: &Operation) -> bool {
    use OperationKind::{Expand, MoveTable, Rebind, RebindAll};
    match (earlier.kind, waiting.kind) {
        (MoveTable, Rebind) => together(earlier, waiting),
        (Expand, Rebind | RebindAll) => matches!(
            earlier.state,
            OperationState::Pending | OperationState::Running
        ),
        _ => false,
    }
}

/// About the same table or group: the group of a table that is rewritten changes meanwhile, or is not known before.
fn together(one: &Operation, other: &Operation) -> bool {
    one.target == other.target || group_of(other).is_some() && group_of(one) == group_of(other)
}

/// The parameter that a rebind and a move of tables have in common.
#[derive(Default, Deserialize)]
#[serde(default)]
struct OfGroup {
    #[serde(deserialize_with = "optional")]
    group_id: Option<i32>,
}

/// The group that an operation is about.
fn group_of(operation: &Operation) -> Option<i32> {
    OfGroup::deserialize(&operation.parameters).ok()?.group_id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::KINDS;
    use crate::operations::Refusal;
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

    fn new(kind: OperationKind, target: &str, group: Option<i32>) -> Operation {
        Operation {
            target: target.into(),
            ..operation(0, kind, OperationState::Pending, group)
        }
    }

    #[test]
    fn one_expand_at_a_time_and_one_rebind_a_group() {
        use OperationKind::{Expand, Rebind};
        use OperationState::{Running, Succeeded};
        let journal = [
            operation(1, Expand, Running, None),
            operation(2, Rebind, Running, Some(4)),
        ];
        let refusal = KINDS.conflict(&journal, &new(Expand, "n5", None));
        assert!(matches!(
            refusal,
            Some(Refusal::Conflict { running: 1, .. })
        ));
        let conflict =
            |kind, target: &str, group| KINDS.conflict(&journal, &new(kind, target, group));
        assert!(conflict(Rebind, "t", Some(4)).is_some());
        assert!(conflict(Rebind, "u", Some(5)).is_none());
        let done = [operation(1, Expand, Succeeded, None)];
        assert!(KINDS.conflict(&done, &new(Expand, "n5", None)).is_none());
    }

    #[test]
    fn a_rebind_waits_for_an_earlier_expand_and_never_the_other_way_round() {
        use OperationKind::{Expand, Rebind};
        use OperationState::{Pending, Running};
        let expand = operation(1, Expand, Running, None);
        let rebind = operation(2, Rebind, Pending, Some(1));
        assert_eq!(
            KINDS.must_wait(std::slice::from_ref(&expand), &rebind),
            Some(&expand)
        );
        let expand = operation(3, Expand, Pending, None);
        assert_eq!(KINDS.must_wait(&[rebind], &expand), None);
    }

    #[test]
    fn storages_change_while_nodes_stay_and_groups_move_one_way_at_a_time() {
        use OperationKind::{AddStorage, DropStorage, Expand, MoveTable, Rebind, Shrink};
        use OperationState::Running;
        let refused = |running: OperationKind, at: i32, kind, group: i32| {
            let journal = [operation(1, running, Running, Some(at))];
            KINDS
                .conflict(&journal, &new(kind, "u", Some(group)))
                .is_some()
        };
        for members in [Expand, Shrink] {
            for storage in [AddStorage, DropStorage, MoveTable] {
                assert!(refused(members, 1, storage, 1) && refused(storage, 1, members, 1));
            }
        }
        assert!(refused(DropStorage, 0, MoveTable, 1) && refused(MoveTable, 1, DropStorage, 0));
        assert!(!refused(AddStorage, 0, MoveTable, 1) && !refused(MoveTable, 1, AddStorage, 0));
        assert!(refused(Rebind, 1, MoveTable, 1) && !refused(Rebind, 1, MoveTable, 2));
        assert!(refused(MoveTable, 1, MoveTable, 1) && !refused(MoveTable, 1, MoveTable, 2));
        assert!(
            !refused(MoveTable, 0, MoveTable, 0),
            "two replicated tables"
        );
        // Not refused, but it waits.
        assert!(!refused(MoveTable, 1, Rebind, 1));
        let moving = [operation(1, MoveTable, Running, Some(1))];
        let waits = |group| {
            let mut rebind = operation(2, Rebind, Running, Some(group));
            rebind.target = "u".into();
            KINDS.must_wait(&moving, &rebind)
        };
        assert!(waits(1).is_some() && waits(2).is_none());
    }

    #[test]
    fn nothing_waits_for_what_is_paused_or_waits_for_it_in_turn() {
        use OperationKind::{Expand, Rebind, RebindAll, Shrink};
        use OperationState::{Paused, Pending, RollingBack, Running};
        for waiting in [Rebind, RebindAll] {
            let waiting = operation(9, waiting, Pending, Some(1));
            for state in [Paused, RollingBack] {
                let expand = [operation(1, Expand, state, None)];
                assert_eq!(KINDS.must_wait(&expand, &waiting), None);
            }
            let shrink = [operation(1, Shrink, Running, None)];
            assert_eq!(KINDS.must_wait(&shrink, &waiting), None);
        }
        let all = operation(1, RebindAll, Running, None);
        let refused = KINDS.conflict(std::slice::from_ref(&all), &new(RebindAll, "", None));
        assert!(refused.is_some());
        assert_eq!(
            KINDS.must_wait(&[all], &operation(2, Rebind, Pending, Some(1))),
            None
        );
    }
}
