//! Mixed snapshots: a statement reads tables of this node and fragments of several nodes, all under the snapshots that the
//! nodes agree on.
//!
//! # How it works
//! The planner marks a statement that reads fragments of several nodes and also tables here ([`mark`]). Before the executor
//! starts it, the nodes agree ([`begin`]), and this node's snapshot of the agreement takes the place of the statement's. The
//! agreement is held until the executor ends ([`keep`]), so the fragments find it in force.
//!
//! # What is not guaranteed
//! Only statements that no other statement runs are treated so, while no cursor holds an agreement: inside a function, tables
//! of this node are read by the snapshot that the function was given. Functions that the statement calls read by its
//! first snapshot.

use crate::metadata::cache::{metadata, NodeId};
use crate::pg::executor::query::{only_explains, QueryNode};
use crate::pg::memory;
use crate::pg::session::is_parallel_worker;
use crate::pg::session::transaction::has_one_snapshot;
use crate::pg::tree::{NodeMut, NodeRef};
use crate::snapshot::agree::{agree, in_force, local_snapshot, Agreement};
use crate::transaction::statement;
use pgrx::pg_sys::{PlannedStmt, RTEKind, RangeTblEntry};
use std::cell::RefCell;
use std::collections::BTreeSet;

thread_local! {
    /// Of the statement that is being started.
    static BEGUN: RefCell<Option<Agreement>> = const { RefCell::new(None) };
}

/// Marks the entry of a group lock: PostgreSQL sets `lateral` of no relation's entry. The entries of group locks come last.
pub fn mark(group_lock: &mut NodeMut<'_, RangeTblEntry>) {
    group_lock.lateral = true;
}

/// Marks a statement that reads or writes several nodes, in the same way: entries of group locks have no columns and no name
/// of a user's.
pub fn mark_several(group_lock: &mut NodeMut<'_, RangeTblEntry>) {
    group_lock.inh = true;
}

/// The nodes of a statement that [`mark_several`] has marked.
pub fn marked_nodes(statement: NodeRef<'_, PlannedStmt>) -> Vec<NodeId> {
    nodes(statement, |entry| entry.inh)
}

/// Is this a marked statement that is to be run? One look for any other.
pub fn is_marked(query: QueryNode<'_>, flags: i32) -> bool {
    let last = query.statement().range_table().last();
    last.is_some_and(|entry| entry.rtekind == RTEKind::RTE_RELATION && entry.lateral)
        && !only_explains(flags)
        && !has_one_snapshot()
        && !is_parallel_worker()
        && query.snapshot().is_some()
}

/// Lets the nodes agree and gives a marked statement this node's snapshot; false when there is nothing to agree on.
pub fn begin(query: QueryNode<'_>) -> bool {
    // An agreement that is in force, for an open cursor, is older than what this transaction has done since.
    if statement::inside_another() || in_force() {
        return false;
    }
    let nodes = nodes(query.statement(), |entry| entry.lateral);
    if nodes.len() < 2 {
        return false;
    }
    statement::expect();
    let agreement = agree(&nodes);
    if let Some(agreed) = local_snapshot() {
        query.read_by(agreed.at_command(agreed.command()));
    }
    BEGUN.set(Some(agreement));
    true
}

/// All nodes that own rows of the groups whose locks the statement names, of those with the mark.
fn nodes(
    statement: NodeRef<'_, PlannedStmt>,
    marked: impl Fn(NodeRef<'_, RangeTblEntry>) -> bool,
) -> Vec<NodeId> {
    let Some(metadata) = metadata() else {
        return Vec::new();
    };
    let mut found = BTreeSet::new();
    for entry in statement.range_table().iter() {
        if entry.rtekind != RTEKind::RTE_RELATION || !marked(entry) {
            continue;
        }
        let lock = entry.relid;
        let group = metadata.groups.iter().find(|(_, group)| group.lock == lock);
        if let Some(map) = group.and_then(|(id, _)| metadata.map_of(*id)) {
            found.extend(map.nodes());
        }
    }
    found.into_iter().collect()
}

/// Holds the agreement as long as the executor runs the statement that [`begin`] was for, which it has started.
pub fn keep(query: QueryNode<'_>) {
    query.in_memory(|| {
        statement::current();
        if let Some(agreement) = BEGUN.take() {
            memory::keep(agreement);
        }
    });
}

/// A (sub)transaction has been rolled back: what was being started is not.
pub fn forget() {
    // Its count is set back, or goes with it.
    drop(BEGUN.take());
    statement::forget_expected();
}
