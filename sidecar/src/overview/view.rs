//! What this sidecar knows, put together.

use std::collections::BTreeMap;
use std::sync::Arc;

use expanse_core::live::{Blocked, ExecutorClass};
use expanse_core::wire::{ClusterStatus, NodeStatus, Operation};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::blocked::{blocked, Facts, Since};
use crate::coordination::SessionState;
use crate::executor::Executor;
use crate::membership::LocalNode;
use crate::postgres::THIS_SERVER;
use crate::sys::now;
use crate::topology::State;

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
            updated_at: now(),
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
        self.since.lock().fill(&mut rows, now());
        rows
    }

    pub(super) async fn changed(&mut self) {
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
