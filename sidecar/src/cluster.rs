//! The cluster as its metadata describe it, read from one server.

use crate::config::Config;
use crate::executor::{Command, Executor, Weight};
use crate::postgres::{NodeAddress, Result, THIS_SERVER};

/// The local server as the sidecar reaches it.
pub fn local_server(config: &Config) -> NodeAddress {
    NodeAddress {
        node_name: if config.node_name.is_empty() {
            THIS_SERVER.into()
        } else {
            config.node_name.clone()
        },
        host: config.postgres.host.clone(),
        port: config.postgres.port,
    }
}

/// One row of `expanse.node`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub node_id: i32,
    pub address: NodeAddress,
    pub weight: i32,
    pub state: String,
}

impl Node {
    pub fn name(&self) -> &str {
        &self.address.node_name
    }

    /// It was removed, and keeps what it has: it may never answer again.
    pub fn leaving(&self) -> bool {
        self.state == "leaving"
    }

    /// Statements are coordinated there.
    pub fn active(&self) -> bool {
        self.state == "active"
    }
}

/// All nodes, by id: the one order in which locks are taken.
///
/// # Errors
/// Those of the server asked.
pub async fn nodes(executor: &Executor, server: &NodeAddress) -> Result<Vec<Node>> {
    let command = Command::new("read the nodes", Weight::Interactive).safe();
    nodes_by(executor, server, command).await
}

/// As [`nodes`], by a command of the caller's.
///
/// # Errors
/// Those of the server asked.
pub async fn nodes_by(
    executor: &Executor,
    server: &NodeAddress,
    command: Command,
) -> Result<Vec<Node>> {
    const SQL: &str =
        "SELECT node_id, node_name, host, port, weight, state FROM expanse.node ORDER BY node_id";
    let rows = executor.query(server, command, SQL, &[]).await?;
    let node = |row: &tokio_postgres::Row| -> std::result::Result<Node, tokio_postgres::Error> {
        Ok(Node {
            node_id: row.try_get(0)?,
            address: NodeAddress {
                node_name: row.try_get(1)?,
                host: row.try_get(2)?,
                port: u16::try_from(row.try_get::<_, i32>(3)?).unwrap_or_default(),
            },
            weight: row.try_get(4)?,
            state: row.try_get(5)?,
        })
    };
    rows.iter()
        .map(node)
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| crate::postgres::Error::Answer {
            node: server.node_name.clone(),
            command: command.name,
            reason: error.to_string(),
        })
}
