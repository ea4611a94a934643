//! REPEATABLE READ: one snapshot of several nodes for all statements of a transaction.
//!
//! # How it works
//! PostgreSQL takes the transaction's snapshot before any code of ours runs, and the other nodes take theirs later: under
//! a load of transactions over nodes these hardly ever belong together. So the first statement that reads user data decides.
//! If it reads several nodes, the nodes agree before it starts, and this node's snapshot of the agreement is used in place of
//! PostgreSQL's by all statements from then on ([`begin`], for COPY [`push`]); nothing has been read by the first one. A
//! transaction that is READ ONLY as well (a dump, a report) lets all nodes agree whatever it reads first, if all are ready.
//!
//! # What is not guaranteed
//! After data of this node alone have been read, PostgreSQL's snapshot is fixed: a later read of several nodes is refused with
//! 40001 if it does not fit. SERIALIZABLE keeps PostgreSQL's snapshot, which its own bookkeeping is about.

use crate::metadata::cache::{metadata, NodeId};
use crate::pg::list::nodes;
use crate::snapshot::agree::{agree, local_snapshot};
use crate::snapshot::mixed::marked_nodes;
use crate::state::status_memory;
use expanse_core::wire::ClusterStatus;
use pgrx::pg_sys::{self, PlannedStmt, QueryDesc, RangeTblEntry, Snapshot, SnapshotData};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::CStr;

/// What the running transaction has to do with snapshots.
enum State {
    /// No user data have been read.
    Untouched,
    /// They have been read by PostgreSQL's snapshot.
    Own,
    /// These nodes have agreed on one for each of them.
    Agreed(BTreeSet<NodeId>),
}

thread_local! {
    static STATE: RefCell<State> = const { RefCell::new(State::Untouched) };
}

/// Has the transaction one snapshot, which may be another one than PostgreSQL's?
pub fn applies() -> bool {
    // SAFETY: plain reads of the session and the running transaction. What a WAL sender copies belongs to its slot.
    unsafe {
        pg_sys::XactIsoLevel == pg_sys::XACT_REPEATABLE_READ as i32
            && !pg_sys::am_walsender
            && !crate::metadata::peer::internal_session()
    }
}

/// May the nodes still agree on other snapshots than those that they have?
pub fn untouched() -> bool {
    // SAFETY: looks at the backend's own list. Others may have taken PostgreSQL's snapshot for theirs.
    applies()
        && STATE.with_borrow(|state| matches!(state, State::Untouched))
        && !unsafe { pg_sys::XactHasExportedSnapshots() }
}

/// Do the snapshots of these nodes belong together already, for the rest of the transaction?
pub fn agreed(others: &[NodeId]) -> bool {
    STATE.with_borrow(|state| match state {
        State::Agreed(nodes) => others.iter().all(|node| nodes.contains(node)),
        _ => false,
    })
}

/// Has this node a snapshot of an agreement for the rest of the transaction?
pub fn has_agreed() -> bool {
    STATE.with_borrow(|state| matches!(state, State::Agreed(_)))
}

/// Notes an agreement of a REPEATABLE READ transaction.
pub fn note(nodes: &[NodeId]) {
    if !applies() {
        return;
    }
    STATE.with_borrow_mut(|state| match state {
        State::Agreed(known) => known.extend(nodes),
        _ => *state = State::Agreed(nodes.iter().copied().collect()),
    });
}

/// The transaction has ended.
pub fn forget() {
    STATE.set(State::Untouched);
}

/// Is this a statement that a REPEATABLE READ transaction is about to run by its snapshot? One look for any other.
///
/// # Safety
/// `query` is what PostgreSQL starts.
pub unsafe fn concerns(query: *mut QueryDesc, flags: i32) -> bool {
    // SAFETY: as the caller promises; parallel workers get their leader's snapshot.
    applies()
        && unsafe {
            flags & pg_sys::EXEC_FLAG_EXPLAIN_ONLY as i32 == 0
                && pg_sys::ParallelWorkerNumber < 0
                && (*query).crosscheck_snapshot.is_null()
                && !(*query).snapshot.is_null()
        }
}

/// Lets the nodes agree if it is time, and gives the statement the snapshot that is the transaction's.
///
/// # Safety
/// [`concerns`] has said yes.
pub unsafe fn begin(query: *mut QueryDesc) {
    // SAFETY: as the caller promises; the snapshot is registered with the owner that the statement's was.
    unsafe {
        if !is_transactions((*query).snapshot) {
            return;
        }
        if untouched() && !decide((*query).plannedstmt) {
            return;
        }
        if let Some(mut own) = at_command((*(*query).snapshot).curcid) {
            let own = pg_sys::RegisterSnapshot(&mut own);
            pg_sys::UnregisterSnapshot((*query).snapshot);
            (*query).snapshot = own;
        }
    }
}

/// For a utility statement that reads a table of this node: puts the transaction's snapshot on the stack of active ones, if it
/// is another one than PostgreSQL's. True when the caller has to pop it.
///
/// # Safety
/// [`applies`]; `pstmt` is the utility statement that PostgreSQL is about to run.
pub unsafe fn push(pstmt: *mut PlannedStmt) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        if takes_given(pstmt) {
            STATE.set(State::Own);
        }
        // pg_dump locks its tables on all nodes before it reads: after that their transactions could not begin anew.
        if pg_sys::XactReadOnly && crate::is_a!((*pstmt).utilityStmt, T_LockStmt) && untouched() {
            first_of_own();
        }
        if !pg_sys::ActiveSnapshotSet() || !copies_table(pstmt) {
            return false;
        }
        if untouched() {
            first_of_own();
        }
        let active = pg_sys::GetActiveSnapshot();
        match at_command((*active).curcid) {
            Some(mut own) => {
                pg_sys::PushActiveSnapshot(&mut own);
                true
            }
            None => false,
        }
    }
}

/// SET TRANSACTION SNAPSHOT: another session's is to be used.
unsafe fn takes_given(pstmt: *mut PlannedStmt) -> bool {
    // SAFETY: a utility statement, read as the type that its tag names.
    unsafe {
        let node = (*pstmt).utilityStmt;
        crate::is_a!(node, T_VariableSetStmt) && {
            let name = (*node.cast::<pg_sys::VariableSetStmt>()).name;
            !name.is_null() && CStr::from_ptr(name) == c"TRANSACTION SNAPSHOT"
        }
    }
}

/// COPY of a table (not of a query, which the executor runs) to a client or file.
unsafe fn copies_table(pstmt: *mut PlannedStmt) -> bool {
    // SAFETY: a utility statement, read as the type that its tag names.
    unsafe {
        let node = (*pstmt).utilityStmt;
        crate::is_a!(node, T_CopyStmt) && {
            let copy = node.cast::<pg_sys::CopyStmt>();
            !(*copy).is_from && !(*copy).relation.is_null()
        }
    }
}

/// This node's snapshot of the agreement, as a statement with that command number sees it; to be copied by who takes it.
fn at_command(command: pg_sys::CommandId) -> Option<SnapshotData> {
    let agreed = local_snapshot();
    if !has_agreed() || agreed.is_null() {
        return None;
    }
    // SAFETY: a registered snapshot.
    Some(unsafe { as_of_command(agreed, command) })
}

/// A registered snapshot as a statement with another command number sees it; to be copied by who takes it.
///
/// # Safety
/// `snapshot` stays registered as long as the result is used, which points to its arrays.
pub unsafe fn as_of_command(snapshot: Snapshot, command: pg_sys::CommandId) -> SnapshotData {
    // SAFETY: as the caller promises.
    let mut own = unsafe { std::ptr::read(snapshot) };
    own.copied = false;
    own.curcid = command;
    own
}

/// PostgreSQL checks foreign keys by snapshots of their own.
unsafe fn is_transactions(snapshot: Snapshot) -> bool {
    // SAFETY: a valid snapshot; the transaction has its own already.
    unsafe {
        let own = pg_sys::GetTransactionSnapshot();
        (*snapshot).snapshot_type == pg_sys::SnapshotType::SNAPSHOT_MVCC
            && (*snapshot).xmin == (*own).xmin
            && (*snapshot).xmax == (*own).xmax
            && (*snapshot).xcnt == (*own).xcnt
    }
}

/// The first statement that may read user data: do the nodes agree?
unsafe fn decide(stmt: *mut PlannedStmt) -> bool {
    // SAFETY: a planned statement.
    let (several, data) = unsafe { (marked_nodes(stmt), reads_data(stmt)) };
    if several.len() > 1 {
        drop(agree(&several));
    } else if data {
        first_of_own();
    }
    has_agreed()
}

/// Data of this node alone are about to be read, or of one other node.
fn first_of_own() {
    // SAFETY: a plain flag of the running transaction.
    let read_only = unsafe { pg_sys::XactReadOnly };
    match everybody() {
        Some(all) if read_only => drop(agree(&all)),
        _ => STATE.set(State::Own),
    }
}

/// All nodes, if there are several and this node's sidecar says that all of them are ready.
fn everybody() -> Option<Vec<NodeId>> {
    let metadata = metadata()?;
    let active = metadata.active_nodes();
    if active.len() < 2 || metadata.tables.is_empty() {
        return None;
    }
    let status: ClusterStatus = serde_json::from_str(&status_memory::fetch()?).ok()?;
    let ready = |id: &NodeId| {
        let known = status.nodes.iter().find(|node| node.node_id == *id);
        known.is_some_and(|node| node.state == "ready")
    };
    active.iter().all(ready).then_some(active)
}

/// Does the statement name a table that is neither a catalog nor ours?
unsafe fn reads_data(stmt: *mut PlannedStmt) -> bool {
    // SAFETY: entries of a planned statement; catalog lookups by OID.
    unsafe {
        nodes::<RangeTblEntry>((*stmt).rtable).any(|entry| {
            (*entry).rtekind == pg_sys::RTEKind::RTE_RELATION
                && (*entry).relid.to_u32() >= pg_sys::FirstNormalObjectId
                && matches!(
                    (*entry).relkind as u8,
                    pg_sys::RELKIND_RELATION
                        | pg_sys::RELKIND_MATVIEW
                        | pg_sys::RELKIND_PARTITIONED_TABLE
                        | pg_sys::RELKIND_FOREIGN_TABLE
                )
                && pg_sys::get_rel_namespace((*entry).relid)
                    != pg_sys::get_namespace_oid(c"expanse".as_ptr(), true)
        })
    }
}
