//! `shrink`: nodes leave the cluster, while everything goes on.
//!
//! A new current hash map without them comes first, then every group with buckets there is rebound
//! ([`children`]), then the nodes are removed from everything in one transaction over all nodes ([`remove`]). The
//! servers that have left keep neither metadata nor distributed tables ([`leftovers`]). Nodes that do not come back leave at
//! once, with their rows, when that was asked for explicitly ([`lost`]).

mod check;
mod leftovers;
mod lost;
mod refusal;
mod remove;

use serde::{Deserialize, Serialize};

pub use check::admit;

use super::rebind::Limits;
use crate::kinds::children;
use crate::operations::state::optional;
use crate::operations::{Plan, Step, Typed};

pub struct Shrink;

impl Typed for Shrink {
    type Parameters = Parameters;
    type State = State;
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Parameters {
    #[serde(deserialize_with = "optional")]
    nodes: Option<Vec<String>>,
    #[serde(deserialize_with = "optional")]
    layout: Option<String>,
    #[serde(deserialize_with = "optional")]
    lose_data: Option<bool>,
    #[serde(flatten)]
    limits: Limits,
}

impl Parameters {
    fn layout(&self) -> String {
        self.layout.clone().unwrap_or_else(|| "minimal".into())
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<check::Found>,
    /// The hash map that was the current one.
    #[serde(skip_serializing_if = "Option::is_none")]
    version_before: Option<i32>,
}

pub static PLAN: Plan = Plan {
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
    suspend: Some(|c| Box::pin(children::pause(c))),
    resume: Some(|c| Box::pin(children::resume(c))),
    reversal: None,
};
