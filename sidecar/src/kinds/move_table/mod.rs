//! `move_table`: the tables of a colocation group, or one replicated table, move to another storage, node by node.
//!
//! On each node one table at a time moves in a transaction of its own ([`relocate`]), with its indexes, and is rewritten
//! in the order of an index if that was asked for. PostgreSQL locks it against all sessions meanwhile, so statements that
//! need this node's part wait; none fails. The lock is asked for in short attempts, so that no session waits behind
//! the long transaction of another. Where everything was before is in the journal, and undoing is moving it back.

mod check;
mod parts;
mod refusal;
mod relocate;

use serde::{Deserialize, Serialize};

pub use check::admit;

use crate::operations::state::optional;
use crate::operations::{Plan, Step, Typed};

struct MoveTable;

impl Typed for MoveTable {
    type Parameters = Parameters;
    type State = State;
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Parameters {
    /// Filled in when it is submitted; 0 for a replicated table.
    #[serde(deserialize_with = "optional")]
    group_id: Option<i32>,
    #[serde(deserialize_with = "optional")]
    storage: Option<String>,
    /// The index in whose order the table is rewritten.
    #[serde(deserialize_with = "optional")]
    cluster_on: Option<String>,
}

impl Parameters {
    fn group_id(&self) -> i32 {
        self.group_id.unwrap_or_default()
    }

    fn storage(&self) -> &str {
        self.storage.as_deref().unwrap_or_default()
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Where everything was.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<check::Found>,
    /// Nodes on which the table has been rewritten in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    ordered: Option<Vec<String>>,
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
    suspend: None,
    resume: None,
    reversal: None,
};
