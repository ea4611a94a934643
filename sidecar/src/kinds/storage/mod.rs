//! `add_storage` and `drop_storage`: a tablespace of one name on every node.
//!
//! PostgreSQL makes and drops tablespaces outside of transactions, so every step looks first at what a server has
//! ([`server`]). A storage is recorded in the metadata of all nodes once it is everywhere, and is forgotten before it
//! is dropped anywhere; the leader's copy of the metadata goes into the topology. Nodes that join or leave are
//! looked after by their own operations ([`members`]).

mod add;
mod check;
mod drop;
pub mod members;
mod refusal;
mod server;

use serde::{Deserialize, Serialize};

pub use check::{admit_add, admit_drop};

use crate::executor::Executor;
use crate::operations::state::optional;
use crate::operations::Result;
use crate::operations::{maintenance, Context};
use crate::operations::{Plan, Step, Typed};
use crate::postgres::NodeAddress;

/// Either of the two kinds.
struct OfStorage;

impl Typed for OfStorage {
    type Parameters = Parameters;
    type State = State;
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Parameters {
    /// With `{node}` where the node's name stands.
    #[serde(deserialize_with = "optional")]
    directory: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Nodes that had it before it was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    present: Option<Vec<String>>,
}

pub static ADD: Plan = Plan {
    steps: &[
        Step {
            name: "check",
            phase: "check",
            action: |c| Box::pin(add::check(c)),
            undo: None,
        },
        Step {
            name: "make",
            phase: "make",
            action: |c| Box::pin(add::make(c)),
            undo: Some(|c| Box::pin(add::unmake(c))),
        },
        Step {
            name: "record",
            phase: "record",
            action: |c| Box::pin(add::record(c)),
            undo: None,
        },
    ],
    turning_point: "record",
    turned: |c| Box::pin(add::turned(c)),
    uninterruptible: &["record"],
    suspend: None,
    resume: None,
    reversal: None,
};

pub static DROP: Plan = Plan {
    steps: &[
        Step {
            name: "check",
            phase: "check",
            action: |c| Box::pin(drop::check(c)),
            undo: None,
        },
        Step {
            name: "forget",
            phase: "forget",
            action: |c| Box::pin(drop::forget(c)),
            undo: Some(|c| Box::pin(add::record(c))),
        },
        Step {
            name: "drop",
            phase: "drop",
            action: |c| Box::pin(drop::drop(c)),
            undo: Some(|c| Box::pin(add::make(c))),
        },
        Step {
            name: "clean",
            phase: "cleanup",
            action: |c| Box::pin(drop::clean(c)),
            undo: None,
        },
    ],
    turning_point: "clean",
    turned: |_| Box::pin(async { Ok(false) }),
    uninterruptible: &["clean"],
    suspend: None,
    resume: None,
    reversal: None,
};

/// A tablespace that every node has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    pub name: String,
    pub directory: String,
}

impl Storage {
    /// The one that an operation is about.
    fn of(context: &Context) -> Result<Self> {
        let parameters = context.parameters::<OfStorage>()?;
        Ok(Self {
            directory: parameters.directory.unwrap_or_default(),
            name: context.entry().operation.target,
        })
    }

    /// Its directory on a node.
    fn location(&self, node: &NodeAddress) -> String {
        expanse_core::storage::location(&self.directory, &node.node_name)
    }
}

/// All storages in the metadata of a server.
///
/// # Errors
/// Those of the server.
pub async fn all(executor: &Executor, server: &NodeAddress) -> Result<Vec<Storage>> {
    const SQL: &str = "SELECT storage_name, directory FROM expanse.storage ORDER BY 1";
    let rows = executor
        .query(server, maintenance("look for storages"), SQL, &[])
        .await?;
    let storage = |row: &tokio_postgres::Row| Storage {
        name: row.get(0),
        directory: row.get(1),
    };
    Ok(rows.iter().map(storage).collect())
}
