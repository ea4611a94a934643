//! What a node says about its snapshot.

use crate::pg::session::snapshot::SnapshotRef;
use crate::pg::session::transaction;
use crate::transaction::recent;
use crate::transaction::recent::fingerprint;
use crate::transaction::record;
use expanse_core::snapshots::View;
use std::collections::BTreeSet;

/// For how long a node claims of a transaction that is done that others have it too, and after how long a pending one
/// counts as old, in microseconds.
const RECENT: i64 = 2_000_000;
/// For how long a node knows that one is done. Longer, because nodes begin to count, and report, at slightly different
/// moments: what one still claims, no other has forgotten.
const KNOWN: i64 = 2 * RECENT;

/// How `snapshot` of this node sees transactions over nodes.
pub fn view(snapshot: SnapshotRef) -> View {
    let mut view = View::default();
    // What this node has decided as coordinator is known for longer than the ring remembers.
    for name in record::names() {
        view.done.insert(fingerprint(&name), 0);
    }
    let now = crate::state::now();
    for entry in recent::entries() {
        let xid = entry.xid.into();
        let age = now - entry.at;
        let old = age > RECENT;
        // The commit log reaches further back than the ring.
        if transaction::is_own(xid) {
            view.done.remove(&entry.fingerprint);
        } else if snapshot.shows_running(xid) {
            view.pending.insert(entry.fingerprint, old);
        } else if age <= KNOWN && transaction::did_commit(xid) {
            let members = if old { 0 } else { entry.members };
            view.done.insert(entry.fingerprint, members);
        }
    }
    for pending in view.pending.keys() {
        view.done.remove(pending);
    }
    view
}

/// `pending;done`: lists of hexadecimal `fingerprint.old` and `fingerprint.members`.
fn to_text(view: &View) -> String {
    let pending = view
        .pending
        .iter()
        .map(|(f, old)| format!("{f:x}.{}", u8::from(*old)));
    let done = view
        .done
        .iter()
        .map(|(f, members)| format!("{f:x}.{members:x}"));
    format!(
        "{};{}",
        pending.collect::<Vec<_>>().join(","),
        done.collect::<Vec<_>>().join(",")
    )
}

/// The other way round; `None` when the text is not of this form.
pub fn from_text(text: &str, round: u32) -> Option<View> {
    let (pending, done) = text.split_once(';')?;
    Some(View {
        round,
        pending: pairs(pending)?
            .into_iter()
            .map(|(f, old)| (f, old != 0))
            .collect(),
        done: pairs(done)?.into_iter().collect(),
    })
}

fn pairs(list: &str) -> Option<Vec<(u64, u64)>> {
    list.split(',')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (left, right) = part.split_once('.')?;
            let number = |text| u64::from_str_radix(text, 16).ok();
            number(left).zip(number(right))
        })
        .collect()
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
    /// `expanse.announce_transaction(name text, members bigint)`: the running transaction is about to be prepared under this
    /// name; the members are bits as `expanse_core::snapshots::member` gives them.
    fn announce_transaction(args) {
        crate::metadata::node_session::require("announce transactions");
        if let Some(name) = args.get::<String>(0) {
            // One that has changed no row has no id yet, but will have one when it is prepared, and the other members say
            // that it is known here.
            let xid = transaction::id();
            remember(&name, args.get::<i64>(1).unwrap_or(0) as u64, xid.into_inner());
        }
        None::<i32>
    }
}

crate::sql_function! {
    /// `expanse.report_transactions() -> text`: how this transaction's snapshot sees transactions over nodes.
    fn report_transactions(args) {
        let _ = args;
        Some(to_text(&view(SnapshotRef::active())))
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
        let busy = recent::entries().iter().any(|entry| {
            wanted.contains(&entry.fingerprint) && transaction::is_in_progress(entry.xid.into())
        });
        if !busy {
            return true;
        }
        if start.elapsed().as_millis() as i64 >= i64::from(timeout_ms) {
            return false;
        }
        crate::pg::wait::pause(1);
    }
}

/// Remembers a transaction that is about to be prepared, or to commit here.
pub fn remember(name: &str, members: u64, xid: u32) {
    let at = crate::state::now();
    let fingerprint = fingerprint(name);
    recent::record(recent::Entry {
        fingerprint,
        members,
        at,
        xid,
    });
}
