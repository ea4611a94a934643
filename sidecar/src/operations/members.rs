//! The nodes of the cluster, as one of them knows them.

use super::error::Result;
use super::refusal::Refusal;
use crate::cluster::{self, Node};
use crate::executor::Executor;
use crate::postgres::NodeAddress;

/// All nodes, in one fixed order.
///
/// # Errors
/// Those of the server; [`Refusal::NotInCluster`] if it has left the cluster: what it would be asked next says
/// nothing about the others, so the next leader goes on.
pub async fn members(executor: &Executor, server: &NodeAddress) -> Result<Vec<Node>> {
    let nodes = cluster::nodes(executor, server).await?;
    if nodes.is_empty() {
        return Err(Refusal::NotInCluster.into());
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
