//! `rebind`, strategy `move`: a colocation group goes from its hash map version to another, online.
//!
//! For each pair of nodes between which buckets move there is a publication with a filter on those
//! buckets and a subscription that writes straight into the target's fragments ([`copy`]). Rows
//! that a node does not own yet, or no longer, are invisible to queries from `begin_move` to
//! `end_move`. The switch ([`switch`]) freezes writes for a bounded time, drains the streams and
//! flips the binding in one two-phase commit. Then the old rows are deleted ([`cleanup`]).

mod cleanup;
mod copy;
mod empty;
mod plan;
mod progress;
mod switch;

use expanse_core::wire::OperationKind;

pub use plan::check_replica_identity;

use super::step::{Plan, Step};
use super::still;

pub static PLAN: Plan = Plan {
    kind: OperationKind::Rebind,
    steps: &[
        Step {
            name: "empty",
            phase: "plan",
            action: |c| Box::pin(empty::bind(c)),
            undo: None,
        },
        Step {
            name: "plan",
            phase: "plan",
            action: |c| Box::pin(plan::make(c)),
            undo: None,
        },
        Step {
            name: "begin_move",
            phase: "plan",
            action: |c| Box::pin(plan::begin_move(c)),
            undo: Some(|c| Box::pin(cleanup::end_move(c))),
        },
        Step {
            name: "settle",
            phase: "settle",
            action: |c| Box::pin(cleanup::wait_for_statements(c)),
            undo: None,
        },
        Step {
            name: "copy",
            phase: "copy",
            action: |c| Box::pin(copy::start(c)),
            undo: Some(|c| Box::pin(cleanup::undo_copy(c))),
        },
        Step {
            name: "catch_up",
            phase: "catch_up",
            action: |c| Box::pin(progress::catch_up(c)),
            undo: None,
        },
        Step {
            name: "switch",
            phase: "switch",
            action: |c| Box::pin(switch::run(c)),
            undo: None,
        },
        Step {
            name: "drop_streams",
            phase: "cleanup",
            action: |c| Box::pin(cleanup::drop_streams(c)),
            undo: None,
        },
        Step {
            name: "settle_again",
            phase: "cleanup",
            action: |c| Box::pin(cleanup::wait_for_statements(c)),
            undo: None,
        },
        Step {
            name: "delete_surplus",
            phase: "cleanup",
            action: |c| Box::pin(cleanup::delete_surplus_of_sources(c)),
            undo: None,
        },
        Step {
            name: "end_move",
            phase: "cleanup",
            action: |c| Box::pin(cleanup::end_move(c)),
            undo: None,
        },
    ],
    turning_point: "switch",
    turned: |c| Box::pin(switch::turned(c)),
    uninterruptible: &["switch"],
    calm: Some(|c| Box::pin(still::calm(c))),
    wake: Some(|c| Box::pin(still::wake(c))),
};
