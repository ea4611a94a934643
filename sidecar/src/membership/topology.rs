//! The topology in the store, written by the leader from the metadata.

use std::time::Duration;

use expanse_core::wire::{Topology, TopologyNode, TopologyStorage};
use tokio::sync::watch;
use tokio::time::sleep;

use super::LocalNode;
use crate::cluster;
use crate::config::Config;
use crate::coordination::{self, Coordination, Leadership, Op};
use crate::executor::{Command, Executor, Weight};
use crate::postgres::{self, NodeAddress};
use crate::topology::{LocalFile, FILE_NAME, PATH as TOPOLOGY};

const INTERVAL: Duration = Duration::from_secs(5);
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
const LOOK: Command = Command::new("compare the topology", Weight::Maintenance).once();

/// What the leader writes the topology with.
pub struct Writer<'a> {
    pub config: &'a Config,
    pub executor: &'a Executor,
    pub store: &'a dyn Coordination,
    pub leadership: &'a Leadership,
    /// The leader's own server.
    pub server: &'a NodeAddress,
}

/// Keeps the store's topology equal to the metadata: whenever `local` shows that these have changed,
/// and once in a while.
pub async fn keep(writer: &Writer<'_>, mut local: watch::Receiver<Option<LocalNode>>) {
    // It never becomes another one, so it is read once.
    let mut cluster_id = None;
    loop {
        local.mark_unchanged();
        let interval = match settle(writer, &mut cluster_id).await {
            Ok(()) => INTERVAL,
            Err(reason) => {
                tracing::debug!(reason, "could not write the topology");
                RETRY_INTERVAL
            }
        };
        tokio::select! {
            () = sleep(interval) => {}
            Ok(()) = local.changed() => {}
        }
    }
}

async fn settle(writer: &Writer<'_>, known: &mut Option<String>) -> Result<(), String> {
    let nodes = cluster::nodes_by(writer.executor, writer.server, LOOK)
        .await
        .map_err(|e| e.to_string())?;
    let cluster_id = match known.clone() {
        Some(cluster_id) => cluster_id,
        None => read_cluster_id(writer).await.map_err(|e| e.to_string())?,
    };
    *known = Some(cluster_id.clone());
    let wanted: Vec<_> = nodes
        .iter()
        .filter(|node| node.active())
        .map(topology_node)
        .collect();
    let storages = storages(writer).await.map_err(|e| e.to_string())?;
    write(writer, cluster_id, wanted, storages)
        .await
        .map_err(|e| e.to_string())
}

async fn read_cluster_id(writer: &Writer<'_>) -> postgres::Result<String> {
    let sql = "SELECT cluster_id::text FROM expanse.cluster";
    writer.executor.value(writer.server, LOOK, sql, &[]).await
}

async fn storages(writer: &Writer<'_>) -> postgres::Result<Vec<TopologyStorage>> {
    let sql = "SELECT storage_name, directory FROM expanse.storage ORDER BY 1";
    let rows = writer.executor.query(writer.server, LOOK, sql, &[]).await?;
    let storage = |row: &tokio_postgres::Row| TopologyStorage {
        storage_name: row.get(0),
        directory: row.get(1),
    };
    Ok(rows.iter().map(storage).collect())
}

fn topology_node(node: &cluster::Node) -> TopologyNode {
    TopologyNode {
        node_id: node.node_id,
        node_name: node.address.node_name.clone(),
        host: node.address.host.clone(),
        port: node.address.port,
        weight: u32::try_from(node.weight).unwrap_or(1),
    }
}

async fn write(
    writer: &Writer<'_>,
    cluster_id: String,
    nodes: Vec<TopologyNode>,
    storages: Vec<TopologyStorage>,
) -> coordination::Result<()> {
    let store = writer.store;
    let found = store.get_fresh(TOPOLOGY).await?;
    let current: Topology = found
        .as_ref()
        .and_then(|entry| entry.json(TOPOLOGY).ok())
        .unwrap_or_default();
    if found.is_some()
        && current.nodes == nodes
        && current.storages == storages
        && current.cluster_id == cluster_id
    {
        return Ok(());
    }
    // A store that has lost its entries must not begin anew with versions that others refuse as old.
    let kept = LocalFile::new(writer.config.state_dir.join(FILE_NAME)).read();
    let kept = kept
        .ok()
        .flatten()
        .filter(|kept| kept.cluster_id == cluster_id);
    let last_version = kept.map_or(0, |kept| kept.version).max(current.version);
    let topology = Topology {
        cluster_id,
        nodes,
        storages,
        version: last_version + 1,
    };
    let data = serde_json::to_vec(&topology).expect("a topology is plain data");
    let write = match found {
        Some(entry) => Op::Put {
            path: TOPOLOGY.into(),
            data,
            expected: entry.version,
        },
        None => Op::Create {
            path: TOPOLOGY.into(),
            data,
        },
    };
    store.multi(vec![writer.leadership.fence(), write]).await?;
    tracing::info!(
        version = topology.version,
        nodes = topology.nodes.len(),
        "topology written"
    );
    Ok(())
}
