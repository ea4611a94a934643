//! `rebind`: a colocation group goes from its hash map version to another, online. The strategy `rewrite` begins and ends
//! with steps of its own ([`rewrite`]), which let a table change its distribution column, or become a distributed one.
//!
//! For each pair of nodes between which buckets move there is a publication with a filter on those
//! buckets and a subscription that writes straight into the target's fragments ([`copy`]), when its turn has come
//! ([`copy::turns`]) and no faster than it may ([`copy::pace`]); indexes that can wait are built after it
//! ([`copy::indexes`]). Rows that a node does not own yet, or no longer, are invisible to queries from `begin_move` to
//! `end_move`. The switch ([`switch`]) freezes writes for a bounded time, drains the streams and
//! flips the binding in one two-phase commit. From then on streams in the other direction keep the old
//! copies current ([`switch::reverse`]), so that the switch can be undone like any step before the point of no
//! return. That is passed ([`reversible`]) when old and new copies have been found equal ([`verify`]) and
//! the time in which it is to be reversible is over; then the old rows are deleted ([`cleanup`]).

mod admission;
mod cleanup;
mod copy;
mod empty;
mod plan;
mod refusal;
mod reversible;
mod rewrite;
mod state;
mod switch;
mod verify;

pub use admission::{admit, group_of};
pub use state::{Limits, Rebind};

use crate::operations::{Plan, Reversal, Step};
use crate::streams::suspend;
use copy::{indexes, progress};
use switch::reverse;

/// What a rebind does while it can still be reversed and does nothing else.
pub const REVERSIBLE: &str = "reversible";

pub static PLAN: Plan = Plan {
    steps: &[
        Step {
            name: "prepare",
            phase: "prepare",
            action: |c| Box::pin(rewrite::prepare(c)),
            undo: Some(|c| Box::pin(rewrite::undo_prepare(c))),
        },
        Step {
            name: "set_apart",
            phase: "prepare",
            action: |c| Box::pin(rewrite::give_own_group(c)),
            undo: Some(|c| Box::pin(rewrite::undo_own_group(c))),
        },
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
            name: "rest_indexes",
            phase: "copy",
            action: |c| Box::pin(indexes::defer(c)),
            undo: Some(|c| Box::pin(indexes::build(c))),
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
            action: |c| Box::pin(progress::copied(c)),
            undo: None,
        },
        Step {
            name: "build_indexes",
            phase: "index",
            action: |c| Box::pin(indexes::built(c)),
            undo: None,
        },
        Step {
            name: "prepare_reverse",
            phase: "catch_up",
            action: |c| Box::pin(reverse::prepare(c)),
            undo: None,
        },
        Step {
            name: "switch",
            phase: "switch",
            action: |c| Box::pin(switch::run(c)),
            undo: Some(|c| Box::pin(switch::undo(c))),
        },
        Step {
            name: "reverse_streams",
            phase: "verify",
            action: |c| Box::pin(reverse::start(c)),
            undo: None,
        },
        Step {
            name: "verify",
            phase: "verify",
            action: |c| Box::pin(verify::run(c)),
            undo: None,
        },
        Step {
            name: "reversible",
            phase: REVERSIBLE,
            action: |c| Box::pin(reversible::wait(c)),
            undo: None,
        },
        Step {
            name: "close",
            phase: "cleanup",
            action: |c| Box::pin(reversible::close(c)),
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
        Step {
            name: "join",
            phase: "cleanup",
            action: |c| Box::pin(rewrite::join(c)),
            undo: None,
        },
    ],
    turning_point: "close",
    turned: |c| Box::pin(reversible::closed(c)),
    uninterruptible: &["switch", "close"],
    suspend: Some(|c| Box::pin(suspend::suspend(c))),
    resume: Some(|c| Box::pin(suspend::resume(c))),
    reversal: Some(Reversal {
        from: "switch",
        closed: reversible::is_closed,
    }),
};
