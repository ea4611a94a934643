//! Nodes that were lost and removed without being asked. One that comes back believes that it is still part of the
//! cluster: its sidecar finds it here and sets it aside.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::LocalNode;
use crate::cluster::{self, local_server};
use crate::config::Config;
use crate::coordination::{Coordination, Op, Result};
use crate::executor::{Command, Executor, Weight};
use crate::postgres::NodeAddress;

/// A JSON array of [`Removed`].
const REMOVED: &str = "/removed";
const INTERVAL: Duration = Duration::from_secs(1);

const fn command(name: &'static str) -> Command {
    Command::new(name, Weight::Maintenance).safe()
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Removed {
    /// Never given again, unlike the name.
    node_id: i32,
    node_name: String,
}

/// Notes nodes before they are removed.
///
/// # Errors
/// Those of the store.
pub async fn note(store: &dyn Coordination, fence: Op, nodes: &[(i32, String)]) -> Result<()> {
    change(store, fence, |removed| {
        for (node_id, node_name) in nodes {
            if !removed.iter().any(|known| known.node_id == *node_id) {
                removed.push(Removed {
                    node_id: *node_id,
                    node_name: node_name.clone(),
                });
            }
        }
    })
    .await
}

/// Takes back what [`note`] has noted: the nodes stay.
///
/// # Errors
/// Those of the store.
pub async fn take_back(store: &dyn Coordination, fence: Op, nodes: &[(i32, String)]) -> Result<()> {
    change(store, fence, |removed| {
        removed.retain(|known| nodes.iter().all(|(node_id, _)| known.node_id != *node_id));
    })
    .await
}

async fn change(
    store: &dyn Coordination,
    fence: Op,
    edit: impl FnOnce(&mut Vec<Removed>),
) -> Result<()> {
    let found = store.get_fresh(REMOVED).await?;
    let mut removed: Vec<Removed> = match &found {
        Some(entry) => entry.json(REMOVED)?,
        None => Vec::new(),
    };
    let before = removed.clone();
    edit(&mut removed);
    if removed == before {
        return Ok(());
    }
    let data = serde_json::to_vec(&removed).expect("names and numbers are plain data");
    let write = match found {
        Some(entry) => Op::Put {
            path: REMOVED.into(),
            data,
            expected: entry.version,
        },
        None => Op::Create {
            path: REMOVED.into(),
            data,
        },
    };
    store.multi(vec![fence, write]).await
}

/// Sets the local server aside if it was removed while it was away.
pub async fn watch(
    config: Arc<Config>,
    executor: Executor,
    store: Arc<dyn Coordination>,
    local: watch::Receiver<Option<LocalNode>>,
    stop: CancellationToken,
) {
    let server = local_server(&config);
    let look = async {
        loop {
            let node_id = local.borrow().as_ref().map(|node| node.status.node_id);
            if let Some(node_id) = node_id {
                if is_removed(&*store, node_id).await
                    && confirmed(&executor, &server, node_id).await
                {
                    tracing::warn!(
                        node_id,
                        "this node was removed from the cluster while it was away: its tables are set aside"
                    );
                    let aside = command("set the tables aside");
                    let sql = "SET lock_timeout = '2s'; SELECT expanse.set_aside()";
                    match executor.batch(&server, aside, sql).await {
                        // A server that has just come back; it is looked at again.
                        Err(error) if error.is_retryable() => {
                            tracing::info!(%error, "the tables cannot be set aside yet");
                        }
                        Err(error) => tracing::warn!(%error, "could not set the tables aside"),
                        Ok(()) => {}
                    }
                }
            }
            sleep(INTERVAL).await;
        }
    };
    stop.run_until_cancelled(look).await;
}

/// Whether another node of this cluster says that it was removed: it is noted before it is done.
async fn confirmed(executor: &Executor, server: &NodeAddress, node_id: i32) -> bool {
    const SQL: &str = "SELECT (SELECT cluster_id::text FROM expanse.cluster), \
        EXISTS (SELECT FROM expanse.node WHERE node_id = $1 AND state = 'active')";
    let look = || command("look whether the node was removed");
    let said = |node: NodeAddress| async move {
        let rows = executor.query(&node, look(), SQL, &[&node_id]).await.ok()?;
        let row = rows.first()?;
        Some((row.get::<_, Option<String>>(0)?, row.get::<_, bool>(1)))
    };
    let (Some((cluster, _)), Ok(nodes)) = (
        said(server.clone()).await,
        cluster::nodes_by(executor, server, look()).await,
    ) else {
        return false;
    };
    let others = nodes.into_iter().filter(|node| node.node_id != node_id);
    let said = join_all(others.map(|node| said(node.address))).await;
    said.into_iter()
        .flatten()
        .any(|(theirs, active)| theirs == cluster && !active)
}

async fn is_removed(store: &dyn Coordination, node_id: i32) -> bool {
    let Ok(Some(entry)) = store.get_fresh(REMOVED).await else {
        return false;
    };
    let removed: Vec<Removed> = entry.json(REMOVED).unwrap_or_default();
    removed.iter().any(|removed| removed.node_id == node_id)
}
