//! Snapshots of several nodes that belong together.

use crate::dispatch::run::run_on;
use crate::error::{Error, Raised};
use crate::metadata::cache::{metadata, NodeId};
use crate::pg::session::snapshot::SnapshotRef;
use crate::remote::command::Access;
use crate::remote::pool;
use crate::snapshot::repeatable_read;
use crate::transaction::commit_barrier;
use crate::transaction::participant;
use crate::transaction::report::{from_text, view, wait_for};
use crate::transaction::serializable;
use expanse_core::snapshots::{lacking, View};
use pgrx::pg_sys;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long a read waits for a transaction whose outcome a node does not know yet.
const PATIENCE: Duration = Duration::from_secs(30);
/// Rounds without success after which commits are held up for a moment.
const PATIENT_ROUNDS: u32 = 2;
/// One wait on a node, after which snapshots are compared again.
const WAIT_MS: i32 = 1_000;

thread_local! {
    /// Agreements of the running transaction that are held.
    static HOLDERS: Cell<u32> = const { Cell::new(0) };
    /// This node's snapshot in the agreement that is in force, registered until the transaction ends.
    static LOCAL: Cell<pg_sys::Snapshot> = const { Cell::new(std::ptr::null_mut()) };
}

/// Holds the snapshots of one statement; they end with the last holder.
pub struct Agreement(());

impl Drop for Agreement {
    fn drop(&mut self) {
        HOLDERS.set(HOLDERS.get().saturating_sub(1));
    }
}

/// Makes the snapshots of these nodes (this node among them) belong together, before a statement's first fragment runs.
/// The statement's fragments then run with [`Access::ReadShared`] on other nodes and under [`local_snapshot`] here.
///
/// Raises 40001 when the transaction's one snapshot here is older than what another node shows, and
/// [`Error::InDoubt`] when a transaction stays undecided for too long.
pub fn agree(nodes: &[NodeId]) -> Agreement {
    let metadata = metadata().unwrap_or_else(|| Error::NotInitialized.raise());
    let here = metadata.local_node;
    serializable::refuse_several(nodes.len());
    let others: Vec<NodeId> = nodes.iter().copied().filter(|&node| node != here).collect();
    let in_force = (HOLDERS.get() > 0 || repeatable_read::agreed(&others))
        && participant::snapshots_shared(&others);
    HOLDERS.set(HOLDERS.get() + 1);
    let agreement = Agreement(());
    if in_force || nodes.len() < 2 {
        return agreement;
    }
    // Nothing has been read: also a transaction with one snapshot may choose it, and begin anew where it begins here.
    let choosing = repeatable_read::untouched();
    let begun: BTreeSet<NodeId> = others
        .iter()
        .copied()
        .filter(|&node| choosing && !pool::in_transaction(node))
        .collect();
    let mut reports: BTreeMap<NodeId, View> = BTreeMap::new();
    let mut outdated: BTreeSet<NodeId> = nodes.iter().copied().collect();
    let start = Instant::now();
    let mut round = 0;
    loop {
        round += 1;
        let held = round > PATIENT_ROUNDS;
        if held {
            hold_commits(&others);
        }
        let ask: Vec<NodeId> = outdated
            .iter()
            .copied()
            .filter(|&node| node != here)
            .collect();
        for &node in ask.iter().filter(|_| round > 1) {
            pool::renew_snapshot(node, begun.contains(&node));
        }
        for (node, rows) in run_on(
            &ask,
            Access::ReadShared,
            "SELECT expanse.report_transactions()",
        ) {
            let text = rows
                .into_iter()
                .flatten()
                .flatten()
                .next()
                .unwrap_or_default();
            let report = from_text(&text, round).unwrap_or_else(|| {
                Error::Internal(format!("node {node} reports \"{text}\"")).raise()
            });
            reports.insert(node, report);
        }
        if outdated.contains(&here) {
            let own = local_view(choosing);
            reports.insert(here, View { round, ..own });
        }
        if held {
            release_commits(&others);
        }
        let torn = lacking(&reports);
        if torn.is_empty() {
            repeatable_read::note(nodes);
            return agreement;
        }
        if start.elapsed() > PATIENCE {
            let node = torn.keys().next().and_then(|id| metadata.nodes.get(id));
            Error::InDoubt {
                node: node.map(|n| n.name.clone()).unwrap_or_default(),
            }
            .raise();
        }
        outdated.clear();
        for (node, transactions) in torn {
            if node == here {
                if fixed() && !choosing {
                    refuse_as_conflict();
                }
                wait_for(&transactions, WAIT_MS);
            } else {
                await_at(node, &transactions, begun.contains(&node));
            }
            outdated.insert(node);
        }
        // Snapshots of about the same time belong together sooner than one that is older than the others. But what another
        // part of the statement reads by stays if it can.
        if (choosing || !fixed()) && HOLDERS.get() == 1 {
            let again =
                |&node: &NodeId| node == here || pool::renew_snapshot(node, begun.contains(&node));
            outdated.extend(nodes.iter().copied().filter(again));
        }
    }
}

/// Holds up commits over several nodes for a moment, everywhere.
fn hold_commits(others: &[NodeId]) {
    run_on(others, Access::Read, "SELECT expanse.hold_commits()");
    commit_barrier::hold();
}

fn release_commits(others: &[NodeId]) {
    commit_barrier::release();
    run_on(
        others,
        Access::ReadShared,
        "SELECT expanse.release_commits()",
    );
}

/// Lets a node wait and give up its snapshot.
fn await_at(node: NodeId, transactions: &BTreeSet<u64>, begun: bool) {
    let list: Vec<String> = transactions.iter().map(|f| format!("{f:x}")).collect();
    if !pool::renew_snapshot(node, begun) {
        refuse_as_conflict();
    }
    let sql = format!(
        "SELECT expanse.await_transactions('{}', {WAIT_MS})",
        list.join(",")
    );
    run_on(&[node], Access::Read, &sql);
}

/// Does a statement hold an agreement?
pub fn in_force() -> bool {
    HOLDERS.get() > 0
}

/// This node's snapshot of the agreement in force; null before the first one of the transaction.
pub fn local_snapshot() -> pg_sys::Snapshot {
    LOCAL.get()
}

fn local_view(choosing: bool) -> View {
    // SAFETY: registered until the transaction ends.
    let snapshot = unsafe { SnapshotRef::new(renew_local_snapshot(choosing)) };
    view(snapshot.expect("a running transaction can take a snapshot"))
}

fn renew_local_snapshot(choosing: bool) -> pg_sys::Snapshot {
    if repeatable_read::has_agreed() {
        return LOCAL.get();
    }
    release();
    // SAFETY: a transaction is running; the registered copy is released by `release` or by the transaction's end.
    unsafe {
        let snapshot = if fixed() && !choosing {
            pg_sys::GetTransactionSnapshot()
        } else {
            pg_sys::GetLatestSnapshot()
        };
        LOCAL.set(pg_sys::RegisterSnapshotOnOwner(
            snapshot,
            pg_sys::TopTransactionResourceOwner,
        ));
    }
    LOCAL.get()
}

/// The transaction is about to commit.
pub fn end() {
    HOLDERS.set(0);
    repeatable_read::forget();
    release();
}

/// Gives this node's snapshot back.
fn release() {
    let snapshot = LOCAL.replace(std::ptr::null_mut());
    if !snapshot.is_null() {
        // SAFETY: registered by `renew_local_snapshot` in this transaction and not released yet.
        unsafe {
            pg_sys::UnregisterSnapshotFromOwner(snapshot, pg_sys::TopTransactionResourceOwner)
        };
    }
}

/// The transaction has been rolled back, and its snapshots with it.
pub fn forget() {
    HOLDERS.set(0);
    repeatable_read::forget();
    LOCAL.set(std::ptr::null_mut());
}

/// Has the transaction one snapshot for all of its statements?
fn fixed() -> bool {
    // SAFETY: reads the isolation level of the running transaction.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

fn refuse_as_conflict() -> ! {
    Raised {
        sqlstate: "40001".into(),
        message: "could not serialize access due to a concurrent transaction over several nodes"
            .into(),
        hint: Some("Repeat the transaction.".into()),
        ..Raised::default()
    }
    .raise()
}
