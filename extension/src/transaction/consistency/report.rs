//! What a node says about its snapshot.

use super::{fingerprint, ring};
use crate::catalog::scan;
use pgrx::pg_sys;
use std::collections::BTreeSet;

/// Transactions over nodes as one snapshot sees them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Not visible: still prepared, or about to be.
    pub pending: BTreeSet<u64>,
    /// Visible.
    pub done: BTreeSet<u64>,
}

impl Report {
    /// How `snapshot` of this node sees them.
    pub fn of(snapshot: pg_sys::Snapshot) -> Report {
        let mut report = Report::default();
        // What this node has decided as coordinator is known for longer than the ring remembers.
        scan::scan(c"commit_record", |row| {
            report
                .done
                .insert(fingerprint(&row.get::<String>(1).unwrap_or_default()));
        });
        for entry in ring::entries() {
            let xid = entry.xid.into();
            // SAFETY: lookups of a transaction id in a valid snapshot and in the commit log, which reaches further back
            // than the ring.
            unsafe {
                if pg_sys::TransactionIdIsCurrentTransactionId(xid) {
                    continue;
                }
                if pg_sys::XidInMVCCSnapshot(xid, snapshot) {
                    report.pending.insert(entry.fingerprint);
                } else if pg_sys::TransactionIdDidCommit(xid) {
                    report.done.insert(entry.fingerprint);
                }
            }
        }
        for pending in &report.pending {
            report.done.remove(pending);
        }
        report
    }

    /// `pending;done`, each a list of hexadecimal numbers.
    pub fn to_text(&self) -> String {
        let list = |set: &BTreeSet<u64>| {
            set.iter()
                .map(|f| format!("{f:x}"))
                .collect::<Vec<_>>()
                .join(",")
        };
        format!("{};{}", list(&self.pending), list(&self.done))
    }

    /// The other way round; `None` when the text is not of this form.
    pub fn from_text(text: &str) -> Option<Report> {
        let (pending, done) = text.split_once(';')?;
        Some(Report {
            pending: parse(pending)?,
            done: parse(done)?,
        })
    }
}

/// A list of hexadecimal numbers.
pub fn parse(list: &str) -> Option<BTreeSet<u64>> {
    list.split(',')
        .filter(|part| !part.is_empty())
        .map(|part| u64::from_str_radix(part, 16).ok())
        .collect()
}

/// Transactions over nodes that are prepared on this node: name (without the node's own suffix) and id.
pub fn prepared_here() -> Vec<(String, u32)> {
    let query = "SELECT gid, transaction::text::bigint FROM pg_catalog.pg_prepared_xacts \
                 WHERE database = pg_catalog.current_database() AND gid LIKE 'expanse\\_%'";
    let found = pgrx::Spi::connect(|client| {
        let mut rows = Vec::new();
        if let Ok(table) = client.select(query, None, &[]) {
            for row in table {
                let name = row.get::<String>(1).ok().flatten();
                let xid = row.get::<i64>(2).ok().flatten();
                rows.extend(name.zip(xid));
            }
        }
        rows
    });
    let common = |name: &str| {
        name.rsplit_once('_')
            .map_or(name.to_owned(), |(front, _)| front.to_owned())
    };
    found
        .iter()
        .map(|(name, xid)| (common(name), *xid as u32))
        .collect()
}

crate::sql_function! {
    /// `expanse.announce_transaction(name text)`: the running transaction is about to be prepared under this name.
    fn announce_transaction(args) {
        if let Some(name) = args.get::<String>(0) {
            // SAFETY: reads this transaction's id.
            let xid = unsafe { pg_sys::GetTopTransactionIdIfAny() };
            if xid != pg_sys::InvalidTransactionId {
                ring::record(ring::Entry { fingerprint: fingerprint(&name), xid: xid.into_inner() });
            }
        }
        None::<i32>
    }
}

crate::sql_function! {
    /// `expanse.report_transactions() -> text`: how this transaction's snapshot sees transactions over nodes.
    fn report_transactions(args) {
        let _ = args;
        // SAFETY: a statement runs, so there is an active snapshot.
        Some(Report::of(unsafe { pg_sys::GetActiveSnapshot() }).to_text())
    }
}

crate::sql_function! {
    /// `expanse.await_transactions(fingerprints text, timeout_ms int) -> bool`: waits until none of them is in progress here.
    fn await_transactions(args) {
        let wanted = parse(&args.get::<String>(0).unwrap_or_default()).unwrap_or_default();
        Some(wait_for(&wanted, args.get::<i32>(1).unwrap_or(0)))
    }
}

/// Waits, interruptibly, until none of the transactions is in progress on this node; false when time runs out.
pub fn wait_for(wanted: &BTreeSet<u64>, timeout_ms: i32) -> bool {
    let start = std::time::Instant::now();
    loop {
        let busy = ring::entries().iter().any(|entry| {
            // SAFETY: a lookup among running and prepared transactions.
            wanted.contains(&entry.fingerprint)
                && unsafe { pg_sys::TransactionIdIsInProgress(entry.xid.into()) }
        });
        if !busy {
            return true;
        }
        if start.elapsed().as_millis() as i64 >= i64::from(timeout_ms) {
            return false;
        }
        // SAFETY: waits on this backend's own latch.
        unsafe {
            let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
            pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, 1, pg_sys::PG_WAIT_EXTENSION);
            pg_sys::ResetLatch(pg_sys::MyLatch);
        }
        pgrx::check_for_interrupts!();
    }
}
