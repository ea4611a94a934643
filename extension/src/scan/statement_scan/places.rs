//! Which nodes a Route or Modify runs on.

use crate::error::Error;
use crate::metadata::cache::{Metadata, NodeId};
use crate::pg::executor::expression::Expression;
use crate::scan::statement_scan::prepared::Prepared;
use pgrx::pg_sys;

/// The node that has the rows with this key, which may have no value yet.
pub fn owner(
    key: Expression,
    no_values: bool,
    plan: &Prepared,
    metadata: &Metadata,
    group: i32,
) -> NodeId {
    // A constant needs no values.
    if no_values && !key.is_constant() {
        return metadata.local_node;
    }
    match key.value() {
        Some(value) => owner_of(plan, value, metadata, group),
        // Equal to NULL is nothing: no node has such rows.
        None => metadata.local_node,
    }
}

/// The node that has the rows with this key; this one when nothing can be said.
pub fn owner_of(plan: &Prepared, key: pg_sys::Datum, metadata: &Metadata, group: i32) -> NodeId {
    match (&plan.bucketer, metadata.map_of(group)) {
        (Some(bucketer), Some(map)) => map.owner(bucketer.borrow_mut().bucket(key)),
        _ => metadata.local_node,
    }
}

/// All nodes that own buckets of the group, in id order.
pub fn owners(metadata: &Metadata, group: i32) -> Vec<NodeId> {
    let Some(map) = metadata.map_of(group) else {
        return vec![metadata.local_node];
    };
    let all = metadata.nodes.keys().copied();
    all.filter(|&node| !map.ranges_of(node).is_empty())
        .collect()
}

/// All nodes with copies of replicated tables; raises when one cannot be written.
pub fn everywhere(metadata: &Metadata) -> Vec<NodeId> {
    if let Some(node) = metadata
        .nodes
        .values()
        .find(|node| node.state == "inactive")
    {
        Error::NodeInactive {
            node: node.name.clone(),
        }
        .raise();
    }
    metadata.active_nodes()
}
