//! Telling the local server, and the executor, what this sidecar knows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use expanse_core::live::NodeLoad;
use expanse_core::wire::NodeStatus;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::View;
use crate::cluster::local_server;
use crate::config::Config;
use crate::coordination::Coordination;
use crate::executor::{Command, Executor, Weight};
use crate::postgres::THIS_SERVER;

const PUBLISH: Command = Command::new("publish the status", Weight::Maintenance)
    .in_cluster()
    .once()
    .limit(Duration::from_secs(2));
/// At least this often; `cluster_blocked` misses a sidecar after 15 s.
const INTERVAL: Duration = Duration::from_secs(3);
/// Before the leader's entry is watched again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Changes that come close together are published together.
const GATHER: Duration = Duration::from_millis(20);

/// Lets the executor know how busy the nodes are.
pub async fn share_loads(
    executor: Executor,
    mut nodes: watch::Receiver<BTreeMap<String, NodeStatus>>,
    mut own: watch::Receiver<NodeLoad>,
    stop: CancellationToken,
) {
    loop {
        let mut loads: HashMap<_, _> = nodes
            .borrow_and_update()
            .iter()
            .map(|(name, status)| (name.clone(), status.load))
            .collect();
        loads.insert(THIS_SERVER.to_owned(), *own.borrow_and_update());
        executor.set_loads(loads);
        tokio::select! {
            () = stop.cancelled() => return,
            changed = nodes.changed() => if changed.is_err() { return stop.cancelled().await },
            changed = own.changed() => if changed.is_err() { return stop.cancelled().await },
        }
    }
}

/// Tells the local server whenever something changes, and once in a while.
pub async fn run(config: Arc<Config>, executor: Executor, mut view: View, stop: CancellationToken) {
    let server = local_server(&config);
    let mut alarms = executor.alarms().changed();
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
            _ = alarms.changed() => sleep(GATHER).await,
        }
    }
}

/// Follows who leads.
pub async fn follow_leader(
    store: Arc<dyn Coordination>,
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
            sleep(RETRY_INTERVAL).await;
        }
    };
    stop.run_until_cancelled(follow).await;
}
