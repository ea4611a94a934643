//! Which operations may run beside each other: a pure decision.

use expanse_core::wire::{ControlError, Operation, OperationKind, OperationState};

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
        .find(|o| collide(o, kind, target, group_id))?;
    let id = running.operation_id;
    let what = format!("{} of \"{}\"", running.kind.as_str(), running.target);
    Some(
        ControlError::new("XP021", format!("operation {id} is running: {what}"))
            .with_detail(format!(
                "The {} of \"{target}\" can not begin before it has ended.",
                kind.as_str()
            ))
            .with_hint(format!(
                "Wait for it with SELECT cluster_wait({id}), or stop it with SELECT cluster_cancel({id})."
            )),
    )
}

/// Expansions and shrinks change the set of nodes one after the other, and storages only while it stays as it is; a group
/// is moved by one operation at a time. A rebind that is submitted during an expansion or while its group moves to another
/// storage waits ([`must_wait`]).
fn collide(running: &Operation, kind: OperationKind, target: &str, group: Option<i32>) -> bool {
    use OperationKind::{AddStorage, DropStorage, Expand, MoveTable, Rebind, RebindAll, Shrink};
    match (running.kind, kind) {
        (
            Expand | Shrink | AddStorage | DropStorage,
            Expand | Shrink | AddStorage | DropStorage,
        )
        | (MoveTable, Expand | Shrink | DropStorage)
        | (Expand | Shrink | DropStorage, MoveTable)
        | (RebindAll, RebindAll) => true,
        (Rebind, Rebind | MoveTable) => together(running, target, group),
        // Replicated tables move one by one.
        (MoveTable, MoveTable) => {
            running.target == target || group != Some(0) && group_of(running) == group
        }
        _ => false,
    }
}

/// About the same table or group: the group of a table that is rewritten changes meanwhile, or is not known before.
fn together(one: &Operation, target: &str, group: Option<i32>) -> bool {
    one.target == target || group.is_some() && group_of(one) == group
}

/// Whether the leader lets `waiting` wait until an earlier operation has ended. A rebind waits for
/// an expansion, which gives it a better map to move to, but not for one that stands still or goes
/// back; a shrink waits for rebinds, so these never wait for it.
pub fn must_wait<'a>(journal: &'a [Operation], waiting: &Operation) -> Option<&'a Operation> {
    journal
        .iter()
        .filter(|o| o.operation_id < waiting.operation_id && !o.state.finished())
        .find(|o| {
            collide(o, waiting.kind, &waiting.target, group_of(waiting))
                || (waiting.kind == OperationKind::Rebind
                    && o.kind == OperationKind::MoveTable
                    && together(o, &waiting.target, group_of(waiting)))
                || (matches!(
                    waiting.kind,
                    OperationKind::Rebind | OperationKind::RebindAll
                ) && o.kind == OperationKind::Expand
                    && matches!(o.state, OperationState::Pending | OperationState::Running))
        })
}

pub fn group_of(operation: &Operation) -> Option<i32> {
    parameter(&operation.parameters, "group_id")
}

#[cfg(test)]
mod tests {
    use super::*;
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

    #[test]
    fn storages_change_while_nodes_stay_and_groups_move_one_way_at_a_time() {
        use OperationKind::{AddStorage, DropStorage, Expand, MoveTable, Rebind, Shrink};
        use OperationState::Running;
        let refused = |running: OperationKind, at: i32, kind, group: i32| {
            let journal = [operation(1, running, Running, Some(at))];
            conflict(&journal, kind, "u", Some(group)).is_some()
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
            must_wait(&moving, &rebind)
        };
        assert!(waits(1).is_some() && waits(2).is_none());
    }

    #[test]
    fn nothing_waits_for_what_stands_still_or_waits_for_it_in_turn() {
        use OperationKind::{Expand, Rebind, RebindAll, Shrink};
        use OperationState::{Paused, Pending, RollingBack, Running};
        for waiting in [Rebind, RebindAll] {
            let waiting = operation(9, waiting, Pending, Some(1));
            for state in [Paused, RollingBack] {
                assert_eq!(
                    must_wait(&[operation(1, Expand, state, None)], &waiting),
                    None
                );
            }
            assert_eq!(
                must_wait(&[operation(1, Shrink, Running, None)], &waiting),
                None
            );
        }
        let all = operation(1, RebindAll, Running, None);
        assert!(conflict(std::slice::from_ref(&all), RebindAll, "", None).is_some());
        assert_eq!(
            must_wait(&[all], &operation(2, Rebind, Pending, Some(1))),
            None
        );
    }
}
