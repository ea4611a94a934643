//! Snapshots of several nodes that belong together.

use crate::dispatch::run::run_on;
use crate::error::{Error, Raised};
use crate::metadata::cache::{metadata, NodeId};
use crate::pg::session::kept_snapshot::KeptSnapshot;
use crate::pg::session::snapshot::SnapshotRef;
use crate::pg::session::transaction::has_one_snapshot;
use crate::remote::command::Access;
use crate::remote::pool;
use crate::snapshot::repeatable_read;
use crate::transaction::commit_barrier;
use crate::transaction::participant;
use crate::transaction::report::{from_text, view, wait_for};
use crate::transaction::serializable;
use expanse_core::snapshots::{lacking, View};
use std::cell::{Cell, RefCell};
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
    /// This node's snapshot in the agreement that is in force.
    static LOCAL: RefCell<Option<KeptSnapshot>> = const { RefCell::new(None) };
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
    let mut snapshots = Snapshots::new(here, others);
    let mut outdated: BTreeSet<NodeId> = nodes.iter().copied().collect();
    let start = Instant::now();
    for round in 1.. {
        snapshots.take(&outdated, round);
        let lacks = lacking(&snapshots.views);
        let Some(first) = lacks.keys().next() else {
            break;
        };
        if start.elapsed() > PATIENCE {
            let node = metadata.nodes.get(first).map(|node| node.name.clone());
            Error::InDoubt {
                node: node.unwrap_or_default(),
            }
            .raise();
        }
        outdated = snapshots.wait_for(lacks);
        outdated.extend(snapshots.renewable(nodes));
    }
    repeatable_read::note(nodes);
    agreement
}

/// The snapshots of the nodes on the way to an agreement.
struct Snapshots {
    here: NodeId,
    others: Vec<NodeId>,
    /// Nothing has been read: a transaction that keeps one snapshot may still choose it, and begin anew where it begins here.
    may_choose: bool,
    /// Nodes on which the transaction begins with this agreement.
    beginning: BTreeSet<NodeId>,
    views: BTreeMap<NodeId, View>,
}

impl Snapshots {
    fn new(here: NodeId, others: Vec<NodeId>) -> Self {
        let may_choose = repeatable_read::untouched();
        let begins = |node: &NodeId| may_choose && !pool::in_transaction(*node);
        Snapshots {
            here,
            may_choose,
            beginning: others.iter().copied().filter(begins).collect(),
            others,
            views: BTreeMap::new(),
        }
    }

    /// Takes those that are outdated, and notes what they show.
    fn take(&mut self, outdated: &BTreeSet<NodeId>, round: u32) {
        let held = round > PATIENT_ROUNDS;
        if held {
            hold_commits(&self.others);
        }
        let others = outdated.iter().copied().filter(|&node| node != self.here);
        let asked: Vec<NodeId> = others.collect();
        if round > 1 {
            for &node in &asked {
                self.renew(node);
            }
        }
        let sql = "SELECT expanse.report_transactions()";
        for (node, rows) in run_on(&asked, Access::ReadShared, sql) {
            let text = rows.into_iter().flatten().flatten().next();
            let text = text.unwrap_or_default();
            let report = from_text(&text, round).unwrap_or_else(|| {
                Error::Internal(format!("node {node} reports \"{text}\"")).raise()
            });
            self.views.insert(node, report);
        }
        if outdated.contains(&self.here) {
            let own = view(renew_local_snapshot(self.may_choose));
            self.views.insert(self.here, View { round, ..own });
        }
        if held {
            release_commits(&self.others);
        }
    }

    /// Lets another node give up its snapshot; false when it cannot.
    fn renew(&self, node: NodeId) -> bool {
        pool::renew_snapshot(node, self.beginning.contains(&node))
    }

    /// Waits on the nodes for the transactions that their snapshots lack. These snapshots are outdated then.
    fn wait_for(&self, lacks: BTreeMap<NodeId, BTreeSet<u64>>) -> BTreeSet<NodeId> {
        for (&node, transactions) in &lacks {
            if node == self.here {
                if has_one_snapshot() && !self.may_choose {
                    refuse_as_conflict();
                }
                wait_for(transactions, WAIT_MS);
            } else {
                if !self.renew(node) {
                    refuse_as_conflict();
                }
                wait_at(node, transactions);
            }
        }
        lacks.into_keys().collect()
    }

    /// The nodes whose snapshots are taken again with those that lack something: snapshots of about the same time belong
    /// together sooner than one that is older than the others. But what another part of the statement reads by stays if it
    /// can.
    fn renewable<'n>(&'n self, nodes: &'n [NodeId]) -> impl Iterator<Item = NodeId> + 'n {
        let again = (self.may_choose || !has_one_snapshot()) && HOLDERS.get() == 1;
        let nodes = nodes.iter().copied();
        nodes.filter(move |&node| again && (node == self.here || self.renew(node)))
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

/// Lets a node wait for transactions.
fn wait_at(node: NodeId, transactions: &BTreeSet<u64>) {
    let list: Vec<String> = transactions.iter().map(|f| format!("{f:x}")).collect();
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

/// This node's snapshot of the agreement in force; `None` before the first one of the transaction.
pub fn local_snapshot() -> Option<SnapshotRef> {
    LOCAL.with_borrow(|local| local.as_ref().map(KeptSnapshot::get))
}

fn renew_local_snapshot(may_choose: bool) -> SnapshotRef {
    if let Some(agreed) = local_snapshot().filter(|_| repeatable_read::has_agreed()) {
        return agreed;
    }
    release();
    let kept = if has_one_snapshot() && !may_choose {
        KeptSnapshot::of_transaction()
    } else {
        KeptSnapshot::latest()
    };
    let snapshot = kept.get();
    LOCAL.set(Some(kept));
    snapshot
}

/// The transaction is about to commit.
pub fn end() {
    HOLDERS.set(0);
    repeatable_read::forget();
    release();
}

/// Gives this node's snapshot back.
fn release() {
    if let Some(kept) = LOCAL.take() {
        kept.release();
    }
}

/// The transaction has been rolled back, and its snapshots with it.
pub fn forget() {
    HOLDERS.set(0);
    repeatable_read::forget();
    LOCAL.set(None);
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
