//! The cluster as this sidecar sees it, for the local server and the control socket.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use expanse_core::live::{Blocked, ExecutorClass, NodeLoad};
use expanse_core::wire::{ClusterStatus, NodeStatus, Operation};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::blocked::{blocked, Facts, Since};
use super::local::{local_server, THIS_SERVER};
use super::LocalNode;
use crate::config::Config;
use crate::coordination::SessionState;
use crate::executor::{Command, Executor, Weight};
use crate::topology::State;

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

/// Where the parts come from.
#[derive(Clone)]
pub struct View {
    pub local: watch::Receiver<Option<LocalNode>>,
    pub nodes: watch::Receiver<BTreeMap<String, NodeStatus>>,
    pub leader: watch::Receiver<Option<String>>,
    pub operations: watch::Receiver<Vec<Operation>>,
    pub topology: watch::Receiver<State>,
    pub session: watch::Receiver<SessionState>,
    pub executor: Executor,
    /// Since when what is blocked is blocked.
    pub since: Arc<Mutex<Since>>,
}

impl View {
    pub fn cluster(&self) -> ClusterStatus {
        let leader = self.leader.borrow().clone();
        let mut statuses = self.nodes.borrow().clone();
        for node in statuses.values_mut() {
            node.leader = leader.as_ref() == Some(&node.node_name);
        }
        let local = self.local.borrow().clone();
        let me = local
            .as_ref()
            .map_or(THIS_SERVER, |node| &node.address.node_name);
        let operations = self.operations.borrow().clone();
        let mut executor = self.executor.report();
        for class in &mut executor {
            rename(&mut class.node_name, me);
        }
        let blocked = self.blocked(me, &statuses, &operations, &executor, leader.as_deref());
        ClusterStatus {
            cluster_id: local
                .as_ref()
                .map(|l| l.cluster_id.clone())
                .unwrap_or_default(),
            leader,
            nodes: statuses.into_values().collect(),
            operations,
            executor,
            blocked,
            updated_at: crate::operations::now(),
        }
    }

    fn blocked(
        &self,
        me: &str,
        statuses: &BTreeMap<String, NodeStatus>,
        operations: &[Operation],
        executor: &[ExecutorClass],
        leader: Option<&str>,
    ) -> Vec<Blocked> {
        let local = self.local.borrow().clone();
        let mut alarms = self.executor.alarms().shown();
        for alarm in &mut alarms {
            rename(&mut alarm.node_name, me);
        }
        let topology = self.topology.borrow().clone();
        let refused: Vec<_> = topology
            .refused
            .iter()
            .map(|refused| {
                format!(
                    "{} offers one that is refused: {}",
                    refused.source, refused.reason
                )
            })
            .collect();
        let mut rows = blocked(&Facts {
            me,
            statuses,
            topology: topology.topology.as_ref(),
            refused: &refused,
            operations,
            executor,
            alarms: &alarms,
            leader,
            store_answers: self.session.borrow().is_connected(),
            server_answers: local.is_some(),
            behind: local.as_ref().and_then(|node| node.behind.as_deref()),
        });
        self.since.lock().fill(&mut rows, crate::operations::now());
        rows
    }

    async fn changed(&mut self) {
        tokio::select! {
            _ = self.local.changed() => {}
            _ = self.nodes.changed() => {}
            _ = self.leader.changed() => {}
            _ = self.operations.changed() => {}
            _ = self.topology.changed() => {}
            _ = self.session.changed() => {}
        }
    }
}

/// The local server has no name of its own in the pool until it is known which node it is.
fn rename(name: &mut String, me: &str) {
    if name == THIS_SERVER {
        me.clone_into(name);
    }
}

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
            sleep(RETRY_INTERVAL).await;
        }
    };
    stop.run_until_cancelled(follow).await;
}
