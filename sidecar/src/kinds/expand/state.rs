//! What an expansion has in the journal.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::kinds::rebind::Limits;
use crate::operations::state::optional;
use crate::operations::Typed;
use crate::postgres::NodeAddress;

pub struct Expand;

impl Typed for Expand {
    type Parameters = Parameters;
    type State = State;
}

/// A server that is to become a node.
#[derive(Debug, Clone, Deserialize)]
pub struct Newcomer {
    pub node_name: String,
    pub host: String,
    pub port: u16,
    #[serde(default = "weight_of_a_node")]
    pub weight: i32,
}

fn weight_of_a_node() -> i32 {
    1
}

impl Newcomer {
    pub fn address(&self) -> NodeAddress {
        NodeAddress {
            node_name: self.node_name.clone(),
            host: self.host.clone(),
            port: self.port,
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Parameters {
    #[serde(deserialize_with = "optional")]
    pub nodes: Option<Vec<Newcomer>>,
    /// `minimal` (also without one) or `contiguous`.
    #[serde(deserialize_with = "optional")]
    pub layout: Option<String>,
    /// Whether to rebind every group to the new map.
    #[serde(deserialize_with = "optional")]
    pub rebind: Option<bool>,
    #[serde(flatten)]
    pub limits: Limits,
}

impl Parameters {
    pub fn layout(&self) -> &str {
        self.layout.as_deref().unwrap_or("minimal")
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The new servers were found fit, and had no objects of users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checked: Option<bool>,
    /// The node that gives the replicated tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_from: Option<String>,
    /// The storages that each new server had before, under `storages of <node>`.
    #[serde(
        flatten,
        serialize_with = "write_storages",
        deserialize_with = "read_storages"
    )]
    pub storages: BTreeMap<String, Vec<String>>,
}

const STORAGES_OF: &str = "storages of ";

fn write_storages<S: Serializer>(
    storages: &BTreeMap<String, Vec<String>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(
        storages
            .iter()
            .map(|(node, names)| (format!("{STORAGES_OF}{node}"), names)),
    )
}

fn read_storages<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Vec<String>>, D::Error> {
    let rest = Map::<String, Value>::deserialize(deserializer)?;
    let storages = rest.into_iter().filter_map(|(key, value)| {
        let node = key.strip_prefix(STORAGES_OF)?.to_owned();
        Some((node, serde_json::from_value(value)))
    });
    storages
        .map(|(node, names)| Ok((node, names.map_err(serde::de::Error::custom)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_state_is_written_under_the_names_that_it_had() {
        let text = json!({"checked": true, "copy_from": "n1", "storages of n4": ["fast"], "storages of n5": []});
        let state: State = serde_json::from_value(text.clone()).unwrap();
        assert_eq!(state.storages["n4"], ["fast"]);
        assert_eq!(state.storages.len(), 2);
        assert_eq!(serde_json::to_value(&state).unwrap(), text);
        let other: State = serde_json::from_value(json!({"of_another_version": 1})).unwrap();
        assert_eq!(other, State::default());
    }

    #[test]
    fn a_weight_is_one_unless_it_is_given() {
        let text =
            json!({"nodes": [{"node_name": "n4", "host": "h", "port": 5432}], "max_rate": 1});
        let read: Parameters = serde_json::from_value(text).unwrap();
        assert_eq!(read.nodes.unwrap()[0].weight, 1);
        assert_eq!(read.limits.max_rate, Some(1));
    }
}
