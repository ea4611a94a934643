//! REPEATABLE READ: one snapshot of several nodes for all statements of a transaction.
//!
//! # How it works
//! PostgreSQL takes the transaction's snapshot before any code of ours runs, and the other nodes take theirs later: under
//! a load of transactions over nodes these hardly ever belong together. So the first statement that reads user data decides.
//! If it reads several nodes, the nodes agree before it starts, and this node's snapshot of the agreement is used in place of
//! PostgreSQL's by all statements from then on ([`begin`], for COPY [`push_for`]); nothing has been read by the first one. A
//! transaction that is READ ONLY as well (a dump, a report) lets all nodes agree whatever it reads first, if all are ready.
//!
//! # What is not guaranteed
//! After data of this node alone have been read, PostgreSQL's snapshot stays: a later read of several nodes is refused with
//! 40001 if it does not fit. SERIALIZABLE keeps PostgreSQL's snapshot, which its own bookkeeping is about.

use crate::metadata::cache::{metadata, NodeId};
use crate::pg::catalog::{is_built_in, relation_schema, schema_named};
use crate::pg::executor::query::{only_explains, QueryNode};
use crate::pg::session::kept_snapshot::{active_command, is_exported, push};
use crate::pg::session::transaction::{is_read_only, isolation, Isolation};
use crate::pg::session::{is_parallel_worker, is_wal_sender};
use crate::pg::tree::NodeRef;
use crate::snapshot::agree::{agree, local_snapshot};
use crate::snapshot::mixed::marked_nodes;
use crate::state::status_memory;
use expanse_core::wire::ClusterStatus;
use pgrx::pg_sys::{
    self, CommandId, CopyStmt, LockStmt, Node, PlannedStmt, RTEKind, RangeTblEntry, SnapshotData,
    VariableSetStmt,
};
use std::cell::RefCell;
use std::collections::BTreeSet;

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

/// Has the transaction one snapshot, which may be another one than PostgreSQL's? What a WAL sender copies belongs to its slot.
pub fn applies() -> bool {
    isolation() == Isolation::RepeatableRead
        && !is_wal_sender()
        && !crate::metadata::node_session::is_internal()
}

/// May the nodes still agree on other snapshots than those that they have? Other sessions may have imported PostgreSQL's.
pub fn untouched() -> bool {
    applies() && STATE.with_borrow(|state| matches!(state, State::Untouched)) && !is_exported()
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

/// Is this a statement that a REPEATABLE READ transaction is about to run by its snapshot? One look for any other. Parallel
/// workers get their leader's snapshot.
pub fn concerns(query: QueryNode<'_>, flags: i32) -> bool {
    applies()
        && !only_explains(flags)
        && !is_parallel_worker()
        && !query.compares_snapshots()
        && query.snapshot().is_some()
}

/// Lets the nodes agree if it is time, and gives a statement that [`concerns`] us the snapshot that is the transaction's.
pub fn begin(query: QueryNode<'_>) {
    let Some(given) = query.snapshot().filter(|given| given.is_of_transaction()) else {
        return;
    };
    if untouched() && !decide(query.statement()) {
        return;
    }
    if let Some(own) = at_command(given.command()) {
        query.read_by(own);
    }
}

/// For a utility statement that reads a table of this node, when [`applies`] is true: puts the transaction's snapshot on the
/// stack of active ones, if it is another one than PostgreSQL's. True when the caller has to pop it.
pub fn push_for(statement: NodeRef<'_, PlannedStmt>) -> bool {
    let Some(utility) = statement.utility_statement() else {
        return false;
    };
    if takes_given(utility) {
        STATE.set(State::Own);
    }
    // pg_dump locks its tables on all nodes before it reads: after that their transactions could not begin anew.
    if is_read_only() && utility.is::<LockStmt>() && untouched() {
        first_of_own();
    }
    let Some(command) = active_command().filter(|_| copies_table(utility)) else {
        return false;
    };
    if untouched() {
        first_of_own();
    }
    match at_command(command) {
        Some(own) => {
            push(own);
            true
        }
        None => false,
    }
}

/// SET TRANSACTION SNAPSHOT: another session's is to be used.
fn takes_given(utility: NodeRef<'_, Node>) -> bool {
    let setting = utility.cast::<VariableSetStmt>();
    setting.is_some_and(|setting| setting.name() == Some(c"TRANSACTION SNAPSHOT"))
}

/// COPY of a table (not of a query, which the executor runs) to a client or file.
fn copies_table(utility: NodeRef<'_, Node>) -> bool {
    let copy = utility.cast::<CopyStmt>();
    copy.is_some_and(|copy| !copy.is_from && copy.relation().is_some())
}

/// This node's snapshot of the agreement, as a statement with that command number sees it; to be copied at once.
fn at_command(command: CommandId) -> Option<SnapshotData> {
    let agreed = local_snapshot().filter(|_| has_agreed())?;
    Some(agreed.at_command(command))
}

/// The first statement that may read user data: do the nodes agree?
fn decide(statement: NodeRef<'_, PlannedStmt>) -> bool {
    let several = marked_nodes(statement);
    if several.len() > 1 {
        drop(agree(&several));
    } else if statement.range_table().iter().any(is_user_data) {
        first_of_own();
    }
    has_agreed()
}

/// Data of this node alone are about to be read, or of one other node.
fn first_of_own() {
    match all_ready_nodes() {
        Some(all) if is_read_only() => drop(agree(&all)),
        _ => STATE.set(State::Own),
    }
}

/// All nodes, if there are several and this node's sidecar says that all of them are ready.
fn all_ready_nodes() -> Option<Vec<NodeId>> {
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

/// Is it a table that is neither a catalog nor ours?
fn is_user_data(entry: NodeRef<'_, RangeTblEntry>) -> bool {
    entry.rtekind == RTEKind::RTE_RELATION
        && !is_built_in(entry.relid)
        && matches!(
            entry.relkind as u8,
            pg_sys::RELKIND_RELATION
                | pg_sys::RELKIND_MATVIEW
                | pg_sys::RELKIND_PARTITIONED_TABLE
                | pg_sys::RELKIND_FOREIGN_TABLE
        )
        && relation_schema(entry.relid) != schema_named("expanse")
}
