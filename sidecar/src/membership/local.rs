//! The local server: whether it answers, and which node it is.

use std::sync::Arc;
use std::time::Duration;

use expanse_core::wire::NodeStatus;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::level;
use super::phase::{Phase, Sight};
use crate::cluster::local_server;
use crate::config::Config;
use crate::executor::{Command, Executor, Weight};
use crate::metrics::Heartbeat;
use crate::postgres::{Error, NodeAddress, Result};

const LOOK: Command = Command::new("look at the local server", Weight::Interactive)
    .once()
    .limit(Duration::from_secs(2));
const INTERVAL: Duration = Duration::from_secs(1);
/// While something is about to change.
const SHORT_INTERVAL: Duration = Duration::from_millis(250);
/// A server that has failed so often in a row is not ready.
const FAILURES: u32 = 3;

/// The node that the local server is.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalNode {
    /// As the other nodes reach it.
    pub address: NodeAddress,
    pub cluster_id: String,
    pub status: NodeStatus,
    /// Another one when the nodes or storages in the metadata are others.
    pub nodes_digest: String,
    /// When the server was started, as the server says it.
    started_at: String,
    phase: Phase,
    /// While it catches up: what keeps it.
    pub behind: Option<String>,
}

impl LocalNode {
    /// Part of the cluster, and level with the other nodes.
    pub fn ready(&self) -> bool {
        self.phase == Phase::Ready
    }
}

/// Is this a node that is ready?
pub fn is_ready(node: &Option<LocalNode>) -> bool {
    node.as_ref().is_some_and(LocalNode::ready)
}

/// Shows in `shown` which node the local server is, `None` while it is none or does not answer. This loop drives the
/// state machine of [`phase`](super::phase).
pub async fn run(
    config: Arc<Config>,
    executor: Executor,
    shown: watch::Sender<Option<LocalNode>>,
    heartbeat: Heartbeat,
    stop: CancellationToken,
) {
    let server = local_server(&config);
    let mut failures = 0;
    let mut phase = Phase::Silent;
    loop {
        heartbeat.beat();
        let looked = timeout(Duration::from_secs(5), look(&executor, &server));
        let found = match looked.await {
            Ok(found) => found,
            Err(_) => Err(Error::Busy {
                node: server.node_name.clone(),
                command: LOOK.name,
            }),
        };
        match found {
            Ok(found) => {
                failures = 0;
                let sight = sight(found.as_ref(), shown.borrow().as_ref());
                phase = phase.after(sight);
                let mut found = found;
                if let Some(node) = &mut found {
                    phase = settle(&executor, node, phase).await;
                }
                show(&shown, found);
            }
            Err(error) => {
                failures += 1;
                if failures == FAILURES {
                    tracing::info!(%error, "local server does not answer");
                    phase = phase.after(Sight::NoAnswer);
                    show(&shown, None);
                }
            }
        }
        let interval = match phase {
            Phase::CatchingUp | Phase::Joining => SHORT_INTERVAL,
            _ => INTERVAL,
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(interval) => {}
        }
    }
}

fn sight(found: Option<&LocalNode>, before: Option<&LocalNode>) -> Sight {
    let Some(found) = found else {
        return Sight::NoNode;
    };
    match found.status.state.as_str() {
        "joining" => Sight::Joining,
        "inactive" => Sight::Inactive,
        _ if before.is_some_and(|before| before.started_at != found.started_at) => Sight::Restarted,
        _ => Sight::Node,
    }
}

/// Compares a node that catches up with the others; what it is then.
async fn settle(executor: &Executor, node: &mut LocalNode, mut phase: Phase) -> Phase {
    if phase == Phase::CatchingUp {
        node.behind = match level::behind(executor, &node.address).await {
            Ok(behind) => behind,
            Err(error) => Some(error.to_string()),
        };
        phase = phase.after(match node.behind {
            None => Sight::Level,
            Some(_) => Sight::Behind,
        });
    }
    if phase == Phase::CatchingUp {
        node.status.state = "syncing".into();
    }
    node.phase = phase;
    phase
}

fn show(shown: &watch::Sender<Option<LocalNode>>, found: Option<LocalNode>) {
    shown.send_if_modified(|current| {
        let status = |node: &Option<LocalNode>| node.as_ref().map(|n| n.status.clone());
        let changed = *current != found;
        if changed && status(current) != status(&found) {
            match &found {
                Some(node) => tracing::info!(
                    node = node.address.node_name,
                    state = node.status.state,
                    role = node.status.role,
                    behind = node.behind,
                    "local server"
                ),
                None => tracing::info!("local server is not a node"),
            }
        }
        if changed {
            *current = found;
        }
        changed
    });
}

/// # Errors
/// Those of the server, unless they only say that it is in no cluster.
async fn look(executor: &Executor, server: &NodeAddress) -> Result<Option<LocalNode>> {
    const SQL: &str = "SELECT n.node_id, n.node_name, n.host, n.port, n.state, current_setting('server_version'), \
        pg_is_in_recovery(), (SELECT cluster_id::text FROM expanse.cluster), \
        coalesce((SELECT max(hash_map_version) FROM expanse.hash_map), 0), \
        concat((SELECT md5(string_agg(a::text, ',' ORDER BY node_id)) FROM expanse.node a), \
            (SELECT md5(string_agg(s::text, ',' ORDER BY storage_name)) FROM expanse.storage s)), \
        pg_postmaster_start_time()::text \
        FROM expanse.local_node l JOIN expanse.node n USING (node_id)";
    // Asked first, so that a server without the extension, also one that has just left, logs no error.
    const PART_OF_ONE: &str = "SELECT to_regclass('expanse.local_node') IS NOT NULL";
    if !executor.value(server, LOOK, PART_OF_ONE, &[]).await? {
        return Ok(None);
    }
    let rows = executor.query(server, LOOK, SQL, &[]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let state: String = row.get(4);
    let address = NodeAddress {
        node_name: row.get(1),
        host: row.get(2),
        port: u16::try_from(row.get::<_, i32>(3)).unwrap_or_default(),
    };
    Ok(Some(LocalNode {
        cluster_id: row.get::<_, Option<String>>(7).unwrap_or_default(),
        nodes_digest: row.get::<_, Option<String>>(9).unwrap_or_default(),
        started_at: row.get(10),
        phase: Phase::CatchingUp,
        behind: None,
        status: NodeStatus {
            node_name: address.node_name.clone(),
            node_id: row.get(0),
            host: address.host.clone(),
            port: address.port,
            state: if state == "active" {
                "ready".into()
            } else {
                state
            },
            role: if row.get(6) { "standby" } else { "primary" }.into(),
            postgres_version: row.get(5),
            metadata_version: i64::from(row.get::<_, i32>(8)),
            ..NodeStatus::default()
        },
        address,
    }))
}
