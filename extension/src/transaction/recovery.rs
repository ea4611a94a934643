//! Finishing what crashes left: prepared transactions that this node coordinates.
//!
//! # How it works
//! Each other node is asked for its prepared transactions that name this node. For each one, first: is
//! the local transaction still running? Only if not, second, with a snapshot taken after that: is its record there? Then it
//! has committed, else it has not. In the other order a transaction that commits in between would be rolled back.

use super::two_phase;
use crate::catalog::{metadata, scan, NodeId};
use crate::error::Error;
use crate::executor::remote::run_at;
use pgrx::pg_sys;
use std::collections::BTreeSet;

crate::sql_function! {
    /// `expanse.recover_transactions() -> int`: finishes prepared transactions this node coordinates; how many.
    fn recover_transactions(args) {
        let _ = args;
        let metadata = metadata().unwrap_or_else(|| Error::NotInitialized.raise());
        let mut finished = 0;
        let mut unreachable = 0;
        let mut held = BTreeSet::new();
        for node in metadata.nodes.values().filter(|n| n.id != metadata.local_node) {
            match prepared_at(&node.host, node.port, metadata.local_node) {
                Ok(names) => {
                    for name in names {
                        let Some(running) = still_running(&name, node.id) else { continue };
                        let transaction = transaction_of(&name, node.id);
                        if running || !finish(&node.host, node.port, &name, transaction) {
                            held.insert(transaction.to_owned());
                        } else {
                            finished += 1;
                        }
                    }
                }
                Err(_) => unreachable += 1,
            }
        }
        if unreachable == 0 {
            sweep_records(&held);
        }
        Some(finished)
    }
}

fn prepared_at(host: &str, port: i32, coordinator: NodeId) -> Result<Vec<String>, String> {
    let rows = run_at(
        host,
        port,
        &format!(
            "SELECT gid FROM pg_catalog.pg_prepared_xacts \
             WHERE database = current_database() \
             AND prepared < pg_catalog.clock_timestamp() - interval '1 s' AND gid LIKE 'expanse\\_{coordinator}\\_%'"
        ),
    )?;
    Ok(rows
        .into_iter()
        .filter_map(|mut row| row.pop().flatten())
        .collect())
}

/// The name of the whole transaction, without the node's own suffix.
fn transaction_of(name: &str, node: NodeId) -> &str {
    name.strip_suffix(&format!("_{node}")).unwrap_or(name)
}

/// Is the local transaction that a name stands for still in progress? `None`: not a name of ours.
fn still_running(name: &str, node: NodeId) -> Option<bool> {
    let mut parts = transaction_of(name, node).split('_').skip(2);
    let xid: u64 = parts.next()?.parse().ok()?;
    // SAFETY: a lookup among running transactions; an id from before a restart is simply not among them.
    Some(unsafe { pg_sys::TransactionIdIsInProgress((xid as u32).into()) })
}

fn finish(host: &str, port: i32, name: &str, transaction: &str) -> bool {
    let mut committed = false;
    scan::scan(c"commit_record", |row| {
        committed |= row.get::<String>(1).as_deref() == Some(transaction);
    });
    let verb = if committed { "COMMIT" } else { "ROLLBACK" };
    let statement = format!("{verb} PREPARED {}", crate::executor::quote_literal(name));
    run_at(host, port, &statement).is_ok()
}

/// Deletes records that no node needs any more. Gives way to backends that are at work on the table: two deletes of one
/// record would fail the transaction of one of them.
fn sweep_records(held: &BTreeSet<String>) {
    let Some(table) = scan::table_oid(c"commit_record") else {
        return;
    };
    // SAFETY: an existing relation; the lock is released with the transaction.
    if !unsafe { pg_sys::ConditionalLockRelationOid(table, pg_sys::ShareRowExclusiveLock as i32) } {
        return;
    }
    let mut done = Vec::new();
    scan::scan(c"commit_record", |row| {
        let name: String = row.get(1).unwrap_or_default();
        let old = row
            .get::<pgrx::datum::TimestampWithTimeZone>(2)
            .is_some_and(|at| {
                // SAFETY: reads the clock.
                let now = unsafe { pg_sys::GetCurrentTimestamp() };
                now - i64::from(at) > 60_000_000
            });
        if old && !held.contains(&name) {
            done.push(name);
        }
    });
    for name in done {
        two_phase::delete_record(&name);
    }
}
