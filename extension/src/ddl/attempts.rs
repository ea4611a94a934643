//! The locks of a schema change, taken on all nodes in short attempts.
//!
//! # How it works
//! A schema change that locked its table on one node after the other would wait for transactions that have used the table
//! there and want it elsewhere: a deadlock over nodes, all but certain when the table is busy. So no lock is waited for
//! longer than [`LIMIT`]; then everything is given back, and tried again after a pause. When all nodes have the locks, the
//! statement itself waits for nobody. Nobody else waits for long, either, which is more than PostgreSQL's own schema changes
//! grant.
//!
//! There is always somebody inside of a busy table. So that an attempt can succeed, transaction blocks wait at their BEGIN for a
//! moment ([`crate::ddl::begin_barrier`]), on all nodes, and those that have begun are given [`LEAVE`] to come to their ends. Statements
//! without a block are not held up: few of them are between two nodes at a time.
//!
//! A statement with CONCURRENTLY tries until it has its way or `lock_timeout` is over. Any other one may meet a table that
//! somebody uses at every moment, and one inside a transaction block somebody who waits for what it has done before, where no
//! lock that is given back is one to be found in a cycle. So they wait as PostgreSQL does after a while ([`Patience`]).

use crate::catalog::everywhere::{cluster, on_others, others};
use crate::ddl::begin_barrier;
use crate::error::{Error, Raised};
use crate::pg::compat;
use crate::pg::wait::pause;
use crate::pg::{names, spi};
use crate::transaction::abort;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::pg_sys::{self, Oid};
use pgrx::PgSqlErrorCode;
use std::any::Any;
use std::cell::Cell;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::time::{Duration, Instant};

/// How long one lock is waited for.
const LIMIT: &std::ffi::CStr = c"40ms";
/// Between two attempts, in milliseconds: doubled from the first to the longest of a busy table, where one of the next
/// will succeed, and after [`MANY`] to the longest of a table that somebody has locked for long.
const FIRST_PAUSE: i64 = 10;
const BUSY_PAUSE: i64 = 320;
const MANY: u32 = 20;
const LONGEST_PAUSE: i64 = 3_200;
/// What transactions are given to come to their ends, in milliseconds.
const LEAVE: i64 = 15;
/// How long a transaction block makes attempts, and a statement that is its whole transaction.
const PATIENCE_WITHIN: Duration = Duration::from_secs(5);
const PATIENCE_ALONE: Duration = Duration::from_secs(30);

/// A table, and how it is to be locked on this node and on the others.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub table: Oid,
    pub here: i32,
    pub there: i32,
}

impl Wanted {
    /// The same everywhere; `None` for what nobody who writes would wait for.
    pub fn everywhere(table: Oid, mode: i32) -> Option<Wanted> {
        (mode >= pg_sys::ShareLock as i32).then_some(Wanted {
            table,
            here: mode,
            there: mode,
        })
    }
}

/// For how long it makes attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// A statement with CONCURRENTLY, which is its whole transaction.
    Endless,
    /// Any other statement that is its whole transaction.
    Alone,
    /// Others may wait for what its transaction has done before.
    Within,
}

impl Patience {
    fn limit(self) -> Option<Duration> {
        match self {
            Patience::Endless => None,
            Patience::Alone => Some(PATIENCE_ALONE),
            Patience::Within => Some(PATIENCE_WITHIN),
        }
    }
}

/// Takes the locks after those of `gates`. When its patience is at an end, the statement itself waits for them.
pub fn take(wanted: &[Wanted], patience: Patience, gates: impl Fn()) {
    // SAFETY: reads a setting, in milliseconds; 0 is no limit.
    let timeout = u64::try_from(unsafe { pg_sys::LockTimeout }).unwrap_or(0);
    let timeout = (timeout > 0).then(|| Duration::from_millis(timeout));
    let limit = patience.limit();
    let began = Instant::now();
    let (mut tries, mut wait) = (0, FIRST_PAUSE);
    while let Some(failure) = attempt(wanted, &gates) {
        let over = |limit: Option<Duration>| limit.is_some_and(|limit| began.elapsed() >= limit);
        if over(timeout) {
            resume_unwind(failure);
        }
        if over(limit) {
            return gates();
        }
        if patience == Patience::Within {
            pause(unlike_others(wait));
        } else {
            begin_anew(unlike_others(wait));
        }
        tries += 1;
        let longest = if tries < MANY {
            BUSY_PAUSE
        } else {
            LONGEST_PAUSE
        };
        wait = (wait * 2).min(longest);
    }
}

/// Longer by up to a half, so that two who are in each other's way do not meet again.
fn unlike_others(wait: i64) -> i64 {
    // SAFETY: reads this backend's number.
    let number = i64::from(unsafe { pg_sys::MyProcPid });
    wait + number * 7919 % (wait / 2)
}

/// Ends the transaction, in which nothing has been done, on all nodes, and begins another one after a pause: whoever builds
/// an index waits for the end of transactions that have locked its table, not only for that of their locks.
fn begin_anew(wait: i64) {
    abort::after();
    // SAFETY: as SPI_commit does it for the COMMIT of a procedure; the statement is no part of a transaction block. What
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
fn attempt(wanted: &[Wanted], gates: &impl Fn()) -> Option<Box<dyn Any + Send>> {
    let trying = Cell::new(false);
    // SAFETY: a subtransaction that is ended below; context and owner are restored as PL/pgSQL does it.
    let (context, owner) = unsafe {
        let before = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(before.0);
        before
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        gates();
        trying.set(true);
        spi::with_settings(&[(c"lock_timeout", LIMIT)], || lock(wanted));
    }));
    // SAFETY: ends the subtransaction that was begun above.
    unsafe {
        pg_sys::MemoryContextSwitchTo(context);
        if outcome.is_ok() {
            pg_sys::ReleaseCurrentSubTransaction();
        } else {
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
    }
    let failure = outcome.err()?;
    if !trying.get() || !lock_not_available(&*failure) {
        resume_unwind(failure);
    }
    Some(failure)
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

/// The tables on all other nodes at once, then here, with the doors closed meanwhile.
fn lock(wanted: &[Wanted]) {
    let nodes = others(&cluster());
    on_others(&nodes, "SELECT expanse.close_door()");
    begin_barrier::close();
    pause(LEAVE);
    let named: Vec<(String, i32)> = wanted
        .iter()
        .filter_map(|wanted| Some((names::qualified(wanted.table)?, wanted.there)))
        .collect();
    let tables = array(&named, |(name, _)| spi::literal(name), "regclass");
    let modes = array(&named, |(_, mode)| mode.to_string(), "int4");
    on_others(
        &nodes,
        &format!("SELECT expanse.lock_tables({tables}, {modes})"),
    );
    for wanted in wanted {
        // SAFETY: locks a relation until the transaction ends; if it is gone, the statement itself says so.
        unsafe { pg_sys::LockRelationOid(wanted.table, wanted.here) };
    }
    begin_barrier::open();
}

fn array<T>(of: &[T], element: impl Fn(&T) -> String, element_type: &str) -> String {
    let elements: Vec<String> = of.iter().map(element).collect();
    format!(
        "ARRAY[{}]::pg_catalog.{element_type}[]",
        elements.join(", ")
    )
}

crate::sql_function! {
    /// `expanse.lock_tables(tables regclass[], modes int[])`: locks these tables of this node until the transaction ends,
    /// and opens the door. For another node that changes the schema, as the user it works for.
    fn lock_tables(args) {
        let tables = args.required::<Vec<Oid>>(0, "tables");
        let modes = args.required::<Vec<i32>>(1, "modes");
        crate::metadata::peer::require("lock tables");
        // Functions of users run in such sessions, too.
        if !tables.iter().all(|&table| compat::owns(table)) {
            Error::PeersOnly { what: "lock tables" }.raise();
        }
        for (table, mode) in tables.into_iter().zip(modes) {
            // SAFETY: locks a relation that existed when its name was looked up.
            unsafe { pg_sys::LockRelationOid(table, mode) };
        }
        begin_barrier::open();
        Some(())
    }
}
