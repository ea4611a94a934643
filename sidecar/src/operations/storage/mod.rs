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
mod server;

use expanse_core::wire::OperationKind;

pub use check::{refuse_unfit_directory, refuse_used};

use super::context::{maintenance, Context};
use super::error::Result;
use super::step::{Plan, Step};
use crate::executor::Executor;
use crate::postgres::NodeAddress;

pub static ADD: Plan = Plan {
    kind: OperationKind::AddStorage,
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
    calm: None,
    wake: None,
};

pub static DROP: Plan = Plan {
    kind: OperationKind::DropStorage,
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
    calm: None,
    wake: None,
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
        let operation = context.entry().operation;
        Ok(Self {
            directory: directory(&operation.parameters).unwrap_or_default(),
            name: operation.target,
        })
    }

    /// Its directory on a node.
    fn location(&self, node: &NodeAddress) -> String {
        expanse_core::storage::location(&self.directory, &node.node_name)
    }
}

fn directory(parameters: &serde_json::Value) -> Option<String> {
    super::entry::parameter(parameters, "directory")
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
