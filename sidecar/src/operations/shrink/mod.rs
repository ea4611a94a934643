//! `shrink`: nodes leave the cluster, while everything goes on.
//!
//! A new current hash map without them comes first, then every group with buckets there is rebound
//! ([`super::children`]), then the nodes are taken out of everything in one transaction over all nodes ([`remove`]). The
//! servers that have left keep neither metadata nor spread tables ([`leftovers`]). Nodes that do not come back leave at
//! once, with their rows, when that was asked for explicitly ([`lost`]).

mod check;
mod leftovers;
mod lost;
mod remove;
pub mod room;

use expanse_core::wire::OperationKind;

pub use check::refuse_unfit;

use super::children;
use super::step::{Plan, Step};

pub static PLAN: Plan = Plan {
    kind: OperationKind::Shrink,
    steps: &[
        Step {
            name: "check",
            phase: "check",
            action: |c| Box::pin(check::run(c)),
            undo: None,
        },
        Step {
            name: "begin",
            phase: "begin",
            action: |c| Box::pin(remove::begin(c)),
            undo: Some(|c| Box::pin(remove::undo(c))),
        },
        Step {
            name: "rebind",
            phase: "rebind",
            action: |c| Box::pin(remove::rebind(c)),
            undo: Some(|c| Box::pin(children::cancel(c))),
        },
        Step {
            name: "remove",
            phase: "remove",
            action: |c| Box::pin(remove::run(c)),
            undo: None,
        },
        Step {
            name: "settle",
            phase: "cleanup",
            action: |c| Box::pin(leftovers::settle(c)),
            undo: None,
        },
        Step {
            name: "empty",
            phase: "cleanup",
            action: |c| Box::pin(leftovers::empty(c)),
            undo: None,
        },
    ],
    turning_point: "remove",
    turned: |c| Box::pin(remove::turned(c)),
    uninterruptible: &["remove"],
    calm: Some(|c| Box::pin(children::pause(c))),
    wake: Some(|c| Box::pin(children::resume(c))),
};
