//! `expanse.recover_transactions()`: finishes the transactions over several nodes that a crash, of this node or of
//! another, has left prepared.
//!
//! # How it works
//! Every other node is asked for prepared transactions that name this node as their coordinator. Of each, first it is
//! looked up whether the local transaction still runs (then it is left alone), and *then* whether its record is there: a
//! transaction leaves the list of the running ones only after its commit is visible. So the record decides.
//!
//! # Invariants
//! Nothing is guessed: a prepared transaction of another coordinator is never touched. A record is deleted only
//! after every node has been asked, later than the record was seen, and none holds a part any more.

use crate::error::Raised;
use crate::metadata::cache::{metadata, Node};
use crate::pg::session::transaction;
use crate::remote::connection::Connection;
use crate::remote::pool;
use crate::transaction::record;
use expanse_core::TransactionName;
use pgrx::pg_sys;
use std::collections::BTreeSet;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

crate::sql_function! {
    /// Answers how many prepared transactions were finished.
    fn recover_transactions(args) {
        let _ = args;
        let finished = recover();
        // The sidecar calls this every second: the moment to look for deadlocks over nodes, too.
        crate::pg::spi::query("SELECT expanse.break_deadlocks()");
        Some(finished)
    }
}

fn recover() -> i32 {
    let Some(known) = metadata() else {
        return 0;
    };
    let before = record::all();
    let mut held: BTreeSet<TransactionName> = BTreeSet::new();
    let mut finished = 0;
    let mut all_answered = true;
    for node in known.nodes.values().filter(|n| n.id != known.local_node) {
        match answering(|| recover_on(node, known.local_node)).flatten() {
            Some((count, left)) => {
                finished += count;
                held.extend(left);
            }
            None => all_answered = false,
        }
    }
    if all_answered {
        let useless: Vec<_> = before
            .into_iter()
            .filter(|name| !held.contains(name))
            .collect();
        record::delete(&useless);
    }
    finished
}

/// `None` when the node does not answer: the next round will find it. A cancel goes on upwards.
fn answering<T>(work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(value) => Some(value),
        Err(payload) if payload.is::<Raised>() => None,
        Err(payload) => resume_unwind(payload),
    }
}

/// Finishes what one node holds: how many, and the transactions it held when asked. `None` when it was not asked: what is
/// needed to decide there is kept.
fn recover_on(node: &Node, coordinator: i32) -> Option<(i32, Vec<TransactionName>)> {
    let connection = pool::connection(node.id);
    let mut connection = connection.borrow_mut();
    if connection.participant.in_transaction() {
        // Only when a client calls this in the middle of a transaction of its own.
        return None;
    }
    let prepared = ask(
        &mut connection,
        "SELECT gid, prepared < pg_catalog.clock_timestamp() - interval '500 ms' \
         FROM pg_catalog.pg_prepared_xacts \
         WHERE database = pg_catalog.current_database() AND gid LIKE 'expanse\\_%'",
    );
    let mut count = 0;
    let mut held = Vec::new();
    for (part, left_over) in prepared {
        let Some(name) = TransactionName::of_part(&part) else {
            continue;
        };
        if name.coordinator != coordinator {
            continue;
        }
        held.push(name);
        // A young one is most likely being finished by the session that coordinates it.
        if !left_over || in_progress(name.xid) {
            continue;
        }
        let verb = if record::exists(&name) {
            "COMMIT"
        } else {
            "ROLLBACK"
        };
        if finish(&mut connection, &format!("{verb} PREPARED '{part}'")) {
            pgrx::log!(
                "{verb} PREPARED '{part}' on node \"{}\": recovered",
                node.name
            );
            count += 1;
        }
    }
    Some((count, held))
}

/// Names of prepared transactions, and whether they have been there for a while.
fn ask(connection: &mut Connection, sql: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    if !connection.send_control(sql) {
        connection.raise_lost();
    }
    connection.drain(|answer| {
        found.extend((0..answer.rows()).filter_map(|row| {
            let left_over = answer.text(row, 1).as_deref() == Some("t");
            Some((answer.text(row, 0)?, left_over))
        }));
    });
    match connection.take_failure() {
        Some(failure) => failure.raise(),
        None => found,
    }
}

/// False when another session was quicker, or is at it.
fn finish(connection: &mut Connection, sql: &str) -> bool {
    if !connection.send_control(sql) {
        connection.raise_lost();
    }
    connection.drain(|_| {});
    connection.take_failure().is_none()
}

/// Does the transaction with this full id still run here?
fn in_progress(xid: u64) -> bool {
    let next = transaction::next_full_id();
    // An id from the future was lost in a crash before its transaction reached the disk: it is not running, and as
    // its record would have been on disk before any node committed, nothing is.
    xid < next && next - xid < u64::from(u32::MAX / 2) && transaction::is_in_progress(as_xid(xid))
}

/// The 32 bits that the server calls a transaction id.
fn as_xid(full: u64) -> pg_sys::TransactionId {
    pg_sys::TransactionId::from(full as u32)
}
