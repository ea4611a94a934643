//! CREATE INDEX, DROP INDEX and REINDEX CONCURRENTLY on all nodes.
//!
//! # How it works
//! An index is made in two parts. First its definition: PostgreSQL begins its own CREATE INDEX CONCURRENTLY here, and in the
//! first transaction that it commits, which leaves an index that is not built yet, the other nodes get the same ([`at_commit`]),
//! so that all have it or none has. Then every node builds its own: this one as PostgreSQL does, the others by
//! REINDEX INDEX CONCURRENTLY, all at once, outside of any transaction ([`build`]).
//!
//! What changes the catalog needs locks of the table that writers (CREATE) or readers, too (DROP) would queue behind. They
//! are asked for in short attempts ([`claim`]), each in a transaction of its own: between two of them nothing is locked, the
//! gate of the schema included.
//!
//! # What is not guaranteed
//! As in PostgreSQL, an index whose build fails or is interrupted stays, and is not valid on the nodes that had not
//! finished. REINDEX INDEX CONCURRENTLY builds it, DROP INDEX removes it everywhere. A vacuum of the table is waited for, and
//! autovacuum does not make way. Two builds on one table that begin on different nodes at the same moment may end in a
//! deadlock that one of them is told of.

use super::classify::{Action, Concern};
use super::{rules, send};
use crate::catalog::everywhere::{cluster, on_others, others};
use crate::catalog::{names, spi, Node};
use crate::error::Raised;
use crate::executor::apart::{run_internally_at, Apart};
use crate::executor::wait::pause;
use crate::transaction::abort;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::pg_sys::{self, Oid};
use pgrx::PgSqlErrorCode;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::time::{Duration, Instant};

/// How the table is to be locked on this node and on the others until the catalog has changed.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    here: i32,
    there: &'static str,
}

impl Claim {
    /// PostgreSQL's own statement does here with a lock that keeps nobody from writing.
    pub const CREATE: Claim = Claim {
        here: pg_sys::ShareUpdateExclusiveLock as i32,
        there: "SHARE",
    };
    pub const DROP: Claim = Claim {
        here: pg_sys::AccessExclusiveLock as i32,
        there: "ACCESS EXCLUSIVE",
    };
}

/// How long an attempt may keep others waiting on one node.
const ATTEMPT: &std::ffi::CStr = c"100ms";
/// Between two attempts, in milliseconds: doubled from the first to the longest.
const FIRST_PAUSE: i64 = 50;
const LONGEST_PAUSE: i64 = 3_200;

/// A table, and its newest index before the statement.
type Creating = (Oid, u32);

/// What every other node has to do after this one.
struct Build {
    /// Quoted and qualified.
    table: String,
    sql: String,
    /// For the hint, when the index is new.
    index: Option<String>,
}

thread_local! {
    static CREATING: Cell<Option<Creating>> = const { Cell::new(None) };
    static BUILD: RefCell<Option<Build>> = const { RefCell::new(None) };
}

/// A transaction has failed: nothing of this is to be done any more.
pub fn forget() {
    CREATING.set(None);
    BUILD.take();
}

/// Takes the locks of a statement, by `gates` and of its table, in as many attempts as it takes or as `lock_timeout` allows.
pub fn claim(table: Oid, claim: Claim, gates: impl Fn()) {
    // SAFETY: reads a setting, in milliseconds; 0 is no limit.
    let limit = unsafe { pg_sys::LockTimeout };
    let deadline = (limit > 0).then(|| Instant::now() + Duration::from_millis(limit as u64));
    let mut wait = FIRST_PAUSE;
    while let Some(failure) = attempt(table, claim, &gates) {
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            resume_unwind(failure);
        }
        begin_anew(wait);
        wait = (wait * 2).min(LONGEST_PAUSE);
    }
}

/// Ends the transaction, in which nothing has been done, on all nodes, and begins another one after a pause: whoever builds
/// an index waits for the end of transactions that have locked its table, not only for that of their locks.
fn begin_anew(wait: i64) {
    abort::after();
    // SAFETY: as SPI_commit does it for the COMMIT of a procedure; the statement can not run in a transaction block. What
    // follows finds its memory context and a snapshot as before.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        pg_sys::ForgetPortalSnapshots();
        pg_sys::CommitTransactionCommand();
        pg_sys::StartTransactionCommand();
        pause(wait);
        pg_sys::EnsurePortalSnapshotExists();
        pg_sys::MemoryContextSwitchTo(context);
    }
}

/// The error, when somebody was in the way: nothing is locked then.
fn attempt(table: Oid, claim: Claim, gates: &impl Fn()) -> Option<Box<dyn Any + Send>> {
    let at_table = Cell::new(false);
    // SAFETY: a subtransaction that is ended below, or by the abort of the transaction; context and owner are restored as
    // PL/pgSQL does it.
    let (context, owner) = unsafe {
        let before = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(before.0);
        before
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        gates();
        at_table.set(true);
        spi::with_settings(&[(c"lock_timeout", ATTEMPT)], || {
            lock(table, claim.here, claim.there);
        });
    }));
    // SAFETY: ends the subtransaction that was begun above.
    let end = |commit: bool| unsafe {
        if commit {
            pg_sys::ReleaseCurrentSubTransaction();
        } else {
            pg_sys::MemoryContextSwitchTo(context);
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
    };
    match outcome {
        Ok(()) => {
            end(true);
            None
        }
        Err(failure) => {
            end(false);
            if !at_table.get() || !lock_not_available(&*failure) {
                resume_unwind(failure);
            }
            Some(failure)
        }
    }
}

fn lock(table: Oid, here: i32, there: &str) {
    // SAFETY: locks a relation until the transaction ends; if it is gone, the statement itself says so.
    unsafe { pg_sys::LockRelationOid(table, here) };
    if let Some(name) = names::qualified(table) {
        let sql = format!("LOCK TABLE {name} IN {there} MODE");
        on_others(&others(&cluster()), &sql);
    }
}

fn lock_not_available(failure: &(dyn Any + Send)) -> bool {
    if let Some(raised) = failure.downcast_ref::<Raised>() {
        return raised.sqlstate == "55P03";
    }
    matches!(
        failure.downcast_ref(),
        Some(CaughtError::PostgresError(error))
            if error.sql_error_code() == PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE
    )
}

/// PostgreSQL is about to create an index on this table.
pub fn creating(table: Oid) {
    CREATING.set(Some((table, rules::newest_index(table))));
}

/// Before the commit of the transaction in which PostgreSQL has put the new index into the catalog. May raise.
pub fn at_commit() {
    let Some((table, newest)) = CREATING.take() else {
        return;
    };
    // SAFETY: makes the new index visible to what follows. PostgreSQL has popped the statement's snapshot already; this one
    // is popped below, or by the abort.
    unsafe {
        pg_sys::CommandCounterIncrement();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
    }
    send_definition(table, newest);
    // SAFETY: pushed above.
    unsafe { pg_sys::PopActiveSnapshot() };
}

fn send_definition(table: Oid, newest: u32) {
    let mut concern = Concern::new(vec![table], Action::Index { newest });
    concern.needs = true;
    let Some((index, definition)) = send::new_index(&concern.tables, newest) else {
        return;
    };
    rules::check(&concern);
    let sql = format!(
        "SELECT expanse.add_unbuilt_index({})",
        spi::literal(&definition)
    );
    send::send_schema(&concern, &sql);
    if let (Some(table), Some(index)) = (names::qualified(table), names::qualified(index)) {
        BUILD.replace(Some(Build {
            table,
            sql: format!("REINDEX INDEX CONCURRENTLY {index}"),
            index: Some(index),
        }));
    }
}

/// After this node has built: the others do, all at once.
pub fn build_created() {
    // Still there when there was one of that name (IF NOT EXISTS).
    CREATING.set(None);
    if let Some(build) = BUILD.take() {
        run(&build);
    }
}

/// The same for a REINDEX CONCURRENTLY.
pub fn rebuild(table: Oid, sql: &str) {
    if let Some(table) = names::qualified(table) {
        run(&Build {
            table,
            sql: sql.into(),
            index: None,
        });
    }
}

fn run(build: &Build) {
    let metadata = cluster();
    let nodes: Vec<&Node> = others(&metadata)
        .iter()
        .filter_map(|id| metadata.nodes.get(id))
        .collect();
    if nodes.is_empty() {
        return;
    }
    commit_here();
    let started: Vec<_> = nodes
        .into_iter()
        .map(|node| {
            drop_leftovers(node, build);
            let started = Apart::start(&node.host, node.port, &build.sql, true);
            (node, started)
        })
        .collect();
    // Nobody who builds elsewhere, and waits for older snapshots here, has to wait for this one.
    // SAFETY: no catalog scan runs.
    unsafe { pg_sys::InvalidateCatalogSnapshot() };
    let mut failed = None;
    for (node, started) in started {
        if let Err(failure) = started.and_then(Apart::finish) {
            drop_leftovers(node, build);
            failed.get_or_insert((node, failure));
        }
    }
    if let Some((node, failure)) = failed {
        raise(node, failure, build);
    }
}

/// What PostgreSQL leaves open at the end of a concurrent build is an ordinary transaction: nobody has to wait for it
/// either, nor lose what was built here.
fn commit_here() {
    // SAFETY: the statement can not run in a transaction block, so this is as its own commits are; the portal knows that a
    // statement like this may pop its snapshot.
    unsafe {
        if pg_sys::ActiveSnapshotSet() {
            pg_sys::PopActiveSnapshot();
        }
        pg_sys::CommitTransactionCommand();
        pg_sys::StartTransactionCommand();
    }
}

/// The indexes that a REINDEX CONCURRENTLY of the table has left when it failed: nobody sees those of another node. The
/// names are those of PostgreSQL's manual, "Rebuilding Indexes Concurrently". What fails here is in nobody's way.
fn drop_leftovers(node: &Node, build: &Build) {
    let table = spi::literal(&build.table);
    let look = format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_index i \
         JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE i.indrelid = {table}::pg_catalog.regclass AND NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$'"
    );
    let rows = run_internally_at(&node.host, node.port, &look).unwrap_or_default();
    for index in rows.into_iter().flatten().flatten() {
        let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {index}");
        let _ = run_internally_at(&node.host, node.port, &drop);
    }
}

fn raise(node: &Node, mut failure: Raised, build: &Build) -> ! {
    let place = format!("while executing on node \"{}\"", node.name);
    failure.context = Some(match failure.context {
        Some(context) => format!("{context}\n{place}"),
        None => place,
    });
    if let Some(index) = &build.index {
        // REINDEX builds another index under this name and puts it in the place of the first.
        failure.message = failure.message.replace("_ccnew\"", "\"");
        failure.constraint = failure
            .constraint
            .map(|name| name.trim_end_matches("_ccnew").to_owned());
        failure.hint.get_or_insert_with(|| {
            format!(
                "The index is not valid there. REINDEX INDEX CONCURRENTLY {index} builds it, \
                 DROP INDEX CONCURRENTLY {index} removes it from all nodes."
            )
        });
    }
    failure.raise()
}
