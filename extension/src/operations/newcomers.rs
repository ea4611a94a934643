//! Servers that are to become nodes, as `cluster_expand(nodes jsonb)` and its plan take them.

use crate::error::Error;
use crate::nodes::init::check_address;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Newcomer {
    pub node_name: String,
    /// A plan needs none.
    #[serde(default)]
    pub host: String,
    #[serde(default = "default_port")]
    pub port: i32,
    /// Its share of the buckets in proportion to the other nodes' weights; at least 1.
    #[serde(default = "default_weight")]
    pub weight: u32,
}

fn default_port() -> i32 {
    5432
}

fn default_weight() -> u32 {
    1
}

impl Newcomer {
    /// One object, or an array of them; refused (raised) unless every name is there once and every weight is positive.
    pub fn all(value: &Value) -> Vec<Newcomer> {
        let refuse = |reason: String| -> ! {
            Error::InvalidParameter {
                parameter: "nodes",
                reason,
            }
            .raise()
        };
        let list = match value {
            Value::Array(list) => list.clone(),
            one => vec![one.clone()],
        };
        let nodes: Vec<Newcomer> = serde_json::from_value(Value::Array(list))
            .unwrap_or_else(|error| refuse(error.to_string()));
        if nodes.is_empty() {
            refuse("there is none".into());
        }
        for (n, node) in nodes.iter().enumerate() {
            let host = Some(node.host.as_str()).filter(|host| !host.is_empty());
            check_address(&node.node_name, host.unwrap_or("localhost"), node.port);
            if node.weight == 0 || node.weight > 1_000_000 {
                refuse(format!(
                    "the weight of node \"{}\" is not between 1 and 1000000",
                    node.node_name
                ));
            }
            let same = |other: &Newcomer| other.node_name == node.node_name;
            if nodes[..n].iter().any(same) {
                refuse(format!("node \"{}\" is named twice", node.node_name));
            }
            let address = |n: &Newcomer| (n.host.clone(), n.port);
            if !node.host.is_empty() && nodes[..n].iter().any(|o| address(o) == address(node)) {
                refuse(format!("{}:{} is named twice", node.host, node.port));
            }
        }
        nodes
    }
}
