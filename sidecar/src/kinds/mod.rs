//! The kinds of operations, as one table for the engine ([`crate::operations`]).
//!
//! A kind is a folder with its parameters and state, typed ([`Typed`](crate::operations::Typed)), its admission, and its
//! plan, whose steps are in the files beside it. How kinds get along with each other is in [`rules`]; what
//! they refuse is in a typed table each (`refusal`).

mod children;
mod disk_space;
mod drop_hash_map;
mod expand;
mod move_table;
mod rebind;
mod rebind_all;
mod refusal;
mod rules;
mod shrink;
mod storage;

use expanse_core::wire::OperationKind;

use crate::operations::{Kind, Kinds};

pub static KINDS: Kinds = Kinds {
    all: &[
        Kind {
            kind: OperationKind::Expand,
            admission: |_, operation| Box::pin(async { expand::admit(operation) }),
            plan: Some(&expand::PLAN),
        },
        Kind {
            kind: OperationKind::Shrink,
            admission: |desk, operation| Box::pin(shrink::admit(desk, operation)),
            plan: Some(&shrink::PLAN),
        },
        Kind {
            kind: OperationKind::Rebind,
            admission: |desk, operation| Box::pin(rebind::admit(desk, operation)),
            plan: Some(&rebind::PLAN),
        },
        Kind {
            kind: OperationKind::RebindAll,
            admission: |_, _| Box::pin(async { Ok(()) }),
            plan: Some(&rebind_all::PLAN),
        },
        Kind {
            kind: OperationKind::AddStorage,
            admission: |desk, operation| Box::pin(storage::admit_add(desk, operation)),
            plan: Some(&storage::ADD),
        },
        Kind {
            kind: OperationKind::DropStorage,
            admission: |desk, operation| Box::pin(storage::admit_drop(desk, operation)),
            plan: Some(&storage::DROP),
        },
        Kind {
            kind: OperationKind::MoveTable,
            admission: |desk, operation| Box::pin(move_table::admit(desk, operation)),
            plan: Some(&move_table::PLAN),
        },
        Kind {
            kind: OperationKind::DropHashMap,
            admission: |_, _| Box::pin(async { Err(refusal::Refusal::DropsItself.into()) }),
            plan: None,
        },
    ],
    collide: rules::collide,
    waits: rules::waits,
    duties: &[|shared| Box::pin(drop_hash_map::keep(shared))],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::Plan;

    fn plans() -> impl Iterator<Item = (&'static str, &'static Plan)> {
        let plan = |kind: &'static Kind| Some((kind.kind.as_str(), kind.plan?));
        KINDS.all.iter().filter_map(plan)
    }

    #[test]
    fn every_kind_is_there_once() {
        use OperationKind::*;
        for kind in [
            Expand,
            Shrink,
            Rebind,
            RebindAll,
            DropHashMap,
            AddStorage,
            DropStorage,
            MoveTable,
        ] {
            let found = KINDS.all.iter().filter(|one| one.kind == kind).count();
            assert_eq!(found, 1, "{}", kind.as_str());
        }
        assert_eq!(KINDS.all.len(), 8);
    }

    #[test]
    fn tables_are_sound() {
        for (kind, plan) in plans() {
            let turning = plan.turning_index();
            let names: std::collections::HashSet<_> = plan.steps.iter().map(|s| s.name).collect();
            assert_eq!(names.len(), plan.steps.len(), "{kind}: names are unique");
            for (i, step) in plan.steps.iter().enumerate() {
                assert!(
                    i < turning || step.undo.is_none(),
                    "{kind}, {}: nothing is undone from the turning point on",
                    step.name
                );
                assert_eq!(plan.frontier(step.name), i + 1);
            }
            assert_eq!(plan.frontier(""), 0);
            for name in plan.uninterruptible {
                assert!(names.contains(name));
            }
            if let Some(reversal) = &plan.reversal {
                let from = plan.frontier(reversal.from);
                assert!(0 < from && from <= turning, "{kind}: {}", reversal.from);
            }
        }
    }

    #[test]
    fn undoing_visits_every_step_once_also_when_resumed_between_two() {
        for (_, plan) in plans() {
            let mut last_done = plan.steps[plan.turning_index() - 1].name;
            let mut undone = Vec::new();
            loop {
                let at = plan.frontier(last_done);
                undone.push(at);
                if at == 0 {
                    break;
                }
                last_done = plan.done_before(at);
                if at == 1 {
                    undone.push(0);
                    break;
                }
            }
            assert_eq!(undone, (0..=plan.turning_index()).rev().collect::<Vec<_>>());
        }
    }
}
