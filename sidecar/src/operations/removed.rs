//! Nodes that were lost and taken out without being asked. One that comes back believes that it is still part of the
//! cluster: its sidecar finds it here and sets it aside.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::context::{maintenance, Context};
use super::error::Result;
use crate::config::Config;
use crate::coordination::{Coordination, Op};
use crate::executor::Executor;
use crate::membership::local::local_server;
use crate::membership::LocalNode;

/// A JSON array of [`Removed`].
const REMOVED: &str = "/removed";
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Removed {
    /// Never given again, unlike the name.
    node_id: i32,
    node_name: String,
}

/// Notes nodes before they are taken out.
///
/// # Errors
/// Those of the store.
pub async fn note(context: &Context, nodes: &[(i32, String)]) -> Result<()> {
    let store = context.journal().store();
    let found = store.get_fresh(REMOVED).await?;
    let mut removed: Vec<Removed> = match &found {
        Some(entry) => entry.json(REMOVED)?,
        None => Vec::new(),
    };
    let before = removed.len();
    for (node_id, node_name) in nodes {
        if !removed.iter().any(|known| known.node_id == *node_id) {
            removed.push(Removed {
                node_id: *node_id,
                node_name: node_name.clone(),
            });
        }
    }
    if removed.len() == before {
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
    store.multi(vec![context.fence(), write]).await?;
    Ok(())
}

/// Sets the local server aside if it was taken out while it was away.
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
                if is_removed(&*store, node_id).await {
                    tracing::warn!(
                        node_id,
                        "this node was taken out of the cluster while it was away: its tables are set aside"
                    );
                    let aside = maintenance("set the tables aside");
                    let sql = "SET lock_timeout = '2s'; SELECT expanse.set_aside()";
                    match executor.batch(&server, aside, sql).await {
                        // A server that has just come back; it is looked at again.
                        Err(error) if error.is_retryable() => {
                            tracing::info!(%error, "the tables can not be set aside yet");
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

async fn is_removed(store: &dyn Coordination, node_id: i32) -> bool {
    let Ok(Some(entry)) = store.get_fresh(REMOVED).await else {
        return false;
    };
    let removed: Vec<Removed> = entry.json(REMOVED).unwrap_or_default();
    removed.iter().any(|removed| removed.node_id == node_id)
}
