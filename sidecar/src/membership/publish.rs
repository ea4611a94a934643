//! The cluster as this sidecar sees it, for the local server and the control socket.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use expanse_core::wire::{ClusterStatus, NodeStatus, Operation};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::local::local_server;
use super::LocalNode;
use crate::config::Config;
use crate::executor::{Command, Executor, Weight};

const PUBLISH: Command = Command::new("publish the status", Weight::Critical)
    .in_cluster()
    .limit(Duration::from_secs(2));
/// At least this often.
const INTERVAL: Duration = Duration::from_secs(1);
/// Changes that come close together are published together.
const GATHER: Duration = Duration::from_millis(20);

/// Where the parts come from.
#[derive(Clone)]
pub struct View {
    pub local: watch::Receiver<Option<LocalNode>>,
    pub nodes: watch::Receiver<BTreeMap<String, NodeStatus>>,
    pub leader: watch::Receiver<Option<String>>,
    pub operations: watch::Receiver<Vec<Operation>>,
}

impl View {
    pub fn cluster(&self) -> ClusterStatus {
        let leader = self.leader.borrow().clone();
        let mut nodes: Vec<_> = self.nodes.borrow().values().cloned().collect();
        for node in &mut nodes {
            node.leader = leader.as_ref() == Some(&node.node_name);
        }
        ClusterStatus {
            cluster_id: self
                .local
                .borrow()
                .as_ref()
                .map(|l| l.cluster_id.clone())
                .unwrap_or_default(),
            leader,
            nodes,
            operations: self.operations.borrow().clone(),
            updated_at: crate::operations::now(),
        }
    }

    async fn changed(&mut self) {
        tokio::select! {
            _ = self.local.changed() => {}
            _ = self.nodes.changed() => {}
            _ = self.leader.changed() => {}
            _ = self.operations.changed() => {}
        }
    }
}

/// Tells the local server whenever something changes, and once in a while.
pub async fn run(config: Arc<Config>, executor: Executor, mut view: View, stop: CancellationToken) {
    let server = local_server(&config);
    loop {
        let initialised = view.local.borrow().is_some();
        if initialised {
            let status = serde_json::to_value(view.cluster()).expect("a status is plain data");
            let told = executor
                .query(
                    &server,
                    PUBLISH,
                    "SELECT expanse.publish_status($1::jsonb)",
                    &[&status],
                )
                .await;
            if let Err(error) = told {
                tracing::debug!(%error, "could not publish the status");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(INTERVAL) => {}
            () = view.changed() => sleep(GATHER).await,
        }
    }
}

/// Follows who leads.
pub async fn follow_leader(
    store: Arc<dyn crate::coordination::Coordination>,
    shown: watch::Sender<Option<String>>,
    stop: CancellationToken,
) {
    let follow = async {
        loop {
            if let Ok(mut leader) = store.watch("/leader").await {
                loop {
                    let name = leader.current().and_then(|entry| {
                        let claim: serde_json::Value = entry.json("/leader").ok()?;
                        Some(claim.get("node_name")?.as_str()?.to_owned())
                    });
                    shown.send_if_modified(|shown| std::mem::replace(shown, name.clone()) != name);
                    if leader.changed().await.is_err() {
                        break;
                    }
                }
            }
            sleep(INTERVAL).await;
        }
    };
    stop.run_until_cancelled(follow).await;
}
