//! `move_table`: the tables of a colocation group, or one replicated table, move to another storage, node by node.
//!
//! On each node one table at a time moves in a transaction of its own ([`relocate`]), with its indexes, and is rewritten
//! in the order of an index if that was asked for. PostgreSQL locks it against everybody meanwhile, so statements that
//! need this node's part wait; none fails. The lock is asked for in short attempts, so that nobody waits behind somebody
//! else's long transaction. Where everything was before is in the journal, and undoing is moving it back.

mod check;
mod parts;
mod relocate;

use expanse_core::wire::OperationKind;

pub use check::refuse_unfit;

use super::step::{Plan, Step};

pub static PLAN: Plan = Plan {
    kind: OperationKind::MoveTable,
    steps: &[
        Step {
            name: "check",
            phase: "check",
            action: |c| Box::pin(check::run(c)),
            undo: None,
        },
        Step {
            name: "move",
            phase: "move",
            action: |c| Box::pin(relocate::run(c)),
            undo: Some(|c| Box::pin(relocate::undo(c))),
        },
        Step {
            name: "end",
            phase: "end",
            action: |c| Box::pin(relocate::verify(c)),
            undo: None,
        },
    ],
    turning_point: "end",
    turned: |_| Box::pin(async { Ok(false) }),
    uninterruptible: &[],
    calm: None,
    wake: None,
};
