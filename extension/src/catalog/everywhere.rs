//! Statements on all nodes of the cluster, in one distributed transaction.

use crate::dispatch::run::run_on;
use crate::error::Error;
use crate::metadata::cache::{metadata, Metadata, NodeId};
use crate::metadata::catalog_table::table_oid;
use crate::pg::session::locks::lock_relation;
use crate::pg::session::transaction;
use crate::pg::spi;
use crate::remote::command::Access;
use pgrx::pg_sys;
use std::rc::Rc;

/// The metadata, or the error that this server is not part of a cluster.
pub fn cluster() -> Rc<Metadata> {
    metadata().unwrap_or_else(|| Error::NotInitialized.raise())
}

/// All active nodes but this one. Refused while a node is inactive: what is changed everywhere needs them all.
pub fn others(metadata: &Metadata) -> Vec<NodeId> {
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
    metadata
        .active_nodes()
        .into_iter()
        .filter(|&id| id != metadata.local_node)
        .collect()
}

/// Runs a statement on the other nodes.
pub fn on_others(nodes: &[NodeId], sql: &str) {
    if !nodes.is_empty() {
        run_on(nodes, Access::Write, sql);
    }
}

/// Runs a statement here and on all other active nodes.
pub fn on_all_nodes(metadata: &Metadata, sql: &str) {
    // Here as there: a statement of ours, which no hook of ours has to look at.
    spi::with_settings(&[(c"expanse.internal", c"on")], || spi::execute(sql));
    on_others(&others(metadata), sql);
}

/// Serialises changes of the cluster's metadata: one at a time in the whole cluster, until the transaction ends.
/// The lock lies on the active node with the lowest id, so that all nodes ask the same one.
pub fn lock_metadata(metadata: &Metadata) -> Rc<Metadata> {
    let first = metadata.active_nodes().first().copied();
    lock_schema_of(metadata, first.unwrap_or(metadata.local_node));
    transaction::accept_invalidations();
    cluster()
}

/// Takes a node's schema lock until the transaction ends.
pub fn lock_schema_of(metadata: &Metadata, node: NodeId) {
    if node == metadata.local_node {
        lock_schema_here();
    } else {
        run_on(&[node], Access::Write, "SELECT expanse.lock_schema_gate()");
    }
}

fn lock_schema_here() {
    let schema = table_oid(c"schema_gate").expect("exists with the extension");
    lock_relation(schema, pg_sys::ShareRowExclusiveLock as i32);
}

crate::sql_function! {
    /// `expanse.lock_schema_gate()`: for another node that changes the metadata, as the user it works for.
    fn lock_schema_gate(args) {
        let _ = args;
        crate::metadata::node_session::require("take the schema lock");
        lock_schema_here();
        Some(())
    }
}
