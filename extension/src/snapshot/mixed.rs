//! Tables that a statement reads here beside its fragments: under the snapshot that the nodes agree on.
//!
//! # How it works
//! The planner marks a statement that reads fragments of several nodes and also tables here ([`mark`]). Before the executor
//! starts it, the nodes agree ([`begin`]), and this node's snapshot of the agreement takes the place of the statement's. The
//! agreement is held until the executor ends ([`keep`]), so the fragments find it in force.
//!
//! # What is not guaranteed
//! Only statements that no other statement runs are treated so, while no cursor holds an agreement: inside a function, tables
//! beside fragments are read by the snapshot that the function was given. Functions that the statement calls read by its
//! first snapshot.

use crate::metadata::cache::{metadata, NodeId};
use crate::pg::memory;
use crate::snapshot::agree::{agree, in_force, local_snapshot, Agreement};
use crate::transaction::statement;
use pgrx::pg_sys::{self, PlannedStmt, QueryDesc, RangeTblEntry};
use std::cell::RefCell;
use std::collections::BTreeSet;

thread_local! {
    /// Of the statement that is being started.
    static BEGUN: RefCell<Option<Agreement>> = const { RefCell::new(None) };
}

/// The mark: PostgreSQL sets `lateral` of no relation's entry. It is set on the statement's gates, which come last.
///
/// # Safety
/// The entry is a gate's.
pub unsafe fn mark(gate: *mut RangeTblEntry) {
    // SAFETY: as the caller promises.
    unsafe { (*gate).lateral = true };
}

unsafe fn has_mark(entry: *mut RangeTblEntry) -> bool {
    // SAFETY: an entry of a planned statement.
    unsafe { (*entry).rtekind == pg_sys::RTEKind::RTE_RELATION && (*entry).lateral }
}

/// Marks a statement that reads or writes several nodes, in the same way.
///
/// # Safety
/// The entry is a gate's.
pub unsafe fn mark_several(gate: *mut RangeTblEntry) {
    // SAFETY: as the caller promises.
    unsafe { (*gate).inh = true };
}

/// The nodes of a statement that is so marked.
///
/// # Safety
/// A planned statement.
pub unsafe fn marked_nodes(stmt: *mut PlannedStmt) -> Vec<NodeId> {
    // SAFETY: as the caller promises; gates have no columns and no name of a user's.
    unsafe { nodes(stmt, |entry| (*entry).inh) }
}

/// Is this a marked statement that is to be run? One look for any other.
///
/// # Safety
/// `query` is what PostgreSQL starts.
pub unsafe fn is_marked(query: *mut QueryDesc, flags: i32) -> bool {
    // SAFETY: a planned statement has its range table.
    unsafe {
        let last = last((*query).plannedstmt);
        !last.is_null()
            && has_mark(last)
            && flags & pg_sys::EXEC_FLAG_EXPLAIN_ONLY as i32 == 0
            && pg_sys::XactIsoLevel < pg_sys::XACT_REPEATABLE_READ as i32
            && pg_sys::ParallelWorkerNumber < 0
            && !(*query).snapshot.is_null()
    }
}

unsafe fn last(stmt: *mut PlannedStmt) -> *mut RangeTblEntry {
    // SAFETY: a list of entries, if any.
    unsafe {
        let entries = (*stmt).rtable;
        if entries.is_null() || (*entries).length == 0 {
            return std::ptr::null_mut();
        }
        (*(*entries).elements.add((*entries).length as usize - 1))
            .ptr_value
            .cast()
    }
}

/// Lets the nodes agree and gives the statement this node's snapshot; false when there is nothing to agree on.
///
/// # Safety
/// [`is_marked`] has said yes.
pub unsafe fn begin(query: *mut QueryDesc) -> bool {
    // An agreement that is in force, for an open cursor, is older than what this transaction has done since.
    if statement::inside_another() || in_force() {
        return false;
    }
    // SAFETY: as the caller promises.
    let nodes = unsafe { nodes((*query).plannedstmt, |entry| (*entry).lateral) };
    if nodes.len() < 2 {
        return false;
    }
    statement::expect();
    let agreement = agree(&nodes);
    let agreed = local_snapshot();
    if !agreed.is_null() {
        // SAFETY: both are registered with the owner that the statement's was registered with when it was made.
        unsafe {
            let own = pg_sys::RegisterSnapshot(agreed);
            pg_sys::UnregisterSnapshot((*query).snapshot);
            (*query).snapshot = own;
        }
    }
    BEGUN.set(Some(agreement));
    true
}

/// All nodes that own rows of the groups whose gates the statement names, of those with the mark.
unsafe fn nodes(
    stmt: *mut PlannedStmt,
    marked: impl Fn(*mut RangeTblEntry) -> bool,
) -> Vec<NodeId> {
    let Some(metadata) = metadata() else {
        return Vec::new();
    };
    let mut found = BTreeSet::new();
    // SAFETY: entries of a planned statement.
    for entry in unsafe { crate::pg::list::nodes::<RangeTblEntry>((*stmt).rtable) } {
        // SAFETY: as above.
        let relation = unsafe { (*entry).rtekind == pg_sys::RTEKind::RTE_RELATION };
        if !relation || !marked(entry) {
            continue;
        }
        // SAFETY: as above.
        let gate = unsafe { (*entry).relid };
        let group = metadata.groups.iter().find(|(_, group)| group.lock == gate);
        if let Some(map) = group.and_then(|(id, _)| metadata.map_of(*id)) {
            found.extend(map.nodes());
        }
    }
    found.into_iter().collect()
}

/// Holds the agreement as long as the executor runs the statement.
///
/// # Safety
/// [`begin`] has said yes, and the executor has started the statement.
pub unsafe fn keep(query: *mut QueryDesc) {
    // SAFETY: a started statement has its state and the memory of that.
    unsafe {
        let outer = pg_sys::MemoryContextSwitchTo((*(*query).estate).es_query_cxt);
        statement::current();
        if let Some(agreement) = BEGUN.take() {
            memory::keep(agreement);
        }
        pg_sys::MemoryContextSwitchTo(outer);
    }
}

/// A (sub)transaction has been rolled back: what was being started is not.
pub fn forget() {
    // Its count is set back, or goes with it.
    drop(BEGUN.take());
    statement::forget_expected();
}
