//! The nodes of the cluster, as one of them knows them.

use expanse_core::wire::ControlError;

use super::error::{Error, Result};
use crate::cluster::{self, Node};
use crate::executor::Executor;
use crate::postgres::NodeAddress;

/// All nodes, in one fixed order.
///
/// # Errors
/// Those of the server; [`Error::NotYet`] if it has left the cluster: what it would be asked next says nothing about
/// the others, so whoever leads after it goes on.
pub async fn members(executor: &Executor, server: &NodeAddress) -> Result<Vec<Node>> {
    let nodes = cluster::nodes(executor, server).await?;
    if nodes.is_empty() {
        let reason = "this server is not part of a cluster";
        return Err(Error::NotYet(ControlError::new("XP002", reason)));
    }
    Ok(nodes)
}

/// Those on which statements are coordinated.
///
/// # Errors
/// As [`members`].
pub async fn active(executor: &Executor, server: &NodeAddress) -> Result<Vec<Node>> {
    let nodes = members(executor, server).await?;
    Ok(nodes.into_iter().filter(Node::active).collect())
}
