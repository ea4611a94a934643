//! What a topology must be like, wherever it comes from.

use std::collections::HashSet;

use expanse_core::storage::{check_directory, check_name};
use expanse_core::wire::{Topology, TopologyNode};
use thiserror::Error;

/// The most nodes; far more than a cluster can use.
const MAX_NODES: usize = 4096;
/// PostgreSQL's limit for a name (`NAMEDATALEN` - 1).
const MAX_NAME_BYTES: usize = 63;
const MAX_HOST_BYTES: usize = 255;
const MAX_WEIGHT: u32 = 10_000;

/// Why a topology is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Defect {
    #[error("the cluster has no identity")]
    NoCluster,
    #[error("the version is {version}")]
    BadVersion { version: i64 },
    #[error("there are {count} nodes, more than {MAX_NODES}")]
    TooManyNodes { count: usize },
    #[error("node number {index} has a bad name")]
    BadName { index: usize },
    #[error("node \"{node}\" has the bad {field} \"{value}\"")]
    BadField {
        node: String,
        field: &'static str,
        value: String,
    },
    #[error("storage number {index} has a bad name or directory")]
    BadStorage { index: usize },
    #[error("two nodes have the {field} \"{value}\"")]
    Duplicate { field: &'static str, value: String },
}

/// # Errors
/// The first [`Defect`] found.
pub fn check(topology: &Topology) -> Result<(), Defect> {
    if !is_plain(&topology.cluster_id, MAX_NAME_BYTES) {
        return Err(Defect::NoCluster);
    }
    if topology.version < 1 {
        return Err(Defect::BadVersion {
            version: topology.version,
        });
    }
    if topology.nodes.len() > MAX_NODES {
        return Err(Defect::TooManyNodes {
            count: topology.nodes.len(),
        });
    }
    for (index, node) in topology.nodes.iter().enumerate() {
        check_node(index, node)?;
    }
    for (index, storage) in topology.storages.iter().enumerate() {
        if check_name(&storage.storage_name).is_err()
            || check_directory(&storage.directory).is_err()
        {
            return Err(Defect::BadStorage { index });
        }
    }
    unique("node id", topology, |node| node.node_id.to_string())?;
    unique("name", topology, |node| node.node_name.clone())?;
    unique("address", topology, |node| {
        format!("{}:{}", node.host, node.port)
    })
}

fn check_node(index: usize, node: &TopologyNode) -> Result<(), Defect> {
    if !is_plain(&node.node_name, MAX_NAME_BYTES) {
        return Err(Defect::BadName { index });
    }
    let bad = |field, value: String| {
        Err(Defect::BadField {
            node: node.node_name.clone(),
            field,
            value: value.escape_debug().to_string(),
        })
    };
    if node.node_id < 1 {
        return bad("id", node.node_id.to_string());
    }
    if !is_plain(&node.host, MAX_HOST_BYTES) || node.host.contains(char::is_whitespace) {
        return bad("host", node.host.clone());
    }
    if node.port == 0 {
        return bad("port", node.port.to_string());
    }
    if !(1..=MAX_WEIGHT).contains(&node.weight) {
        return bad("weight", node.weight.to_string());
    }
    Ok(())
}

/// Not empty, not too long, nothing that a terminal or a connection string would take for something else.
fn is_plain(text: &str, max_bytes: usize) -> bool {
    !text.is_empty()
        && text.len() <= max_bytes
        && !text.chars().any(|c| c.is_control() || "'\"\\".contains(c))
}

fn unique(
    field: &'static str,
    topology: &Topology,
    of: impl Fn(&TopologyNode) -> String,
) -> Result<(), Defect> {
    let mut seen = HashSet::new();
    for value in topology.nodes.iter().map(of) {
        if !seen.insert(value.clone()) {
            return Err(Defect::Duplicate { field, value });
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn node(node_id: i32) -> TopologyNode {
        TopologyNode {
            node_id,
            node_name: format!("n{node_id}"),
            host: "10.0.0.1".to_owned(),
            port: 5432 + node_id as u16,
            weight: 1,
        }
    }

    pub fn topology(version: i64, nodes: i32) -> Topology {
        Topology {
            cluster_id: "c1".to_owned(),
            nodes: (1..=nodes).map(node).collect(),
            storages: Vec::new(),
            version,
        }
    }

    #[test]
    fn good_ones() {
        assert_eq!(check(&topology(1, 0)), Ok(()));
        assert_eq!(check(&topology(7, 100)), Ok(()));
    }

    #[test]
    fn each_defect_is_found() {
        let broken = |change: &dyn Fn(&mut Topology)| {
            let mut topology = topology(1, 3);
            change(&mut topology);
            check(&topology).expect_err("it is broken").to_string()
        };
        for (defect, expected) in [
            (
                broken(&|t| t.cluster_id.clear()),
                "the cluster has no identity",
            ),
            (broken(&|t| t.version = 0), "the version is 0"),
            (
                broken(&|t| t.nodes = (1..=5000).map(node).collect()),
                "there are 5000 nodes, more than 4096",
            ),
            (
                broken(&|t| t.nodes[1].node_name = "a\"b".to_owned()),
                "node number 1 has a bad name",
            ),
            (
                broken(&|t| t.nodes[1].node_name = "x".repeat(64)),
                "node number 1 has a bad name",
            ),
            (
                broken(&|t| t.nodes[1].node_id = 0),
                "node \"n2\" has the bad id \"0\"",
            ),
            (
                broken(&|t| t.nodes[1].host = "a b".to_owned()),
                "node \"n2\" has the bad host \"a b\"",
            ),
            (
                broken(&|t| t.nodes[1].host = "a\nb".to_owned()),
                "node \"n2\" has the bad host \"a\\nb\"",
            ),
            (
                broken(&|t| t.nodes[1].port = 0),
                "node \"n2\" has the bad port \"0\"",
            ),
            (
                broken(&|t| t.nodes[1].weight = 0),
                "node \"n2\" has the bad weight \"0\"",
            ),
            (
                broken(&|t| t.nodes[1].node_id = 1),
                "two nodes have the node id \"1\"",
            ),
            (
                broken(&|t| t.nodes[1].node_name = "n1".to_owned()),
                "two nodes have the name \"n1\"",
            ),
            (
                broken(&|t| t.nodes[1].port = 5433),
                "two nodes have the address \"10.0.0.1:5433\"",
            ),
        ] {
            assert_eq!(defect, expected);
        }
    }
}
