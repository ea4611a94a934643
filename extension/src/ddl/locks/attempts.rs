//! The locks of a schema change, taken on all nodes in short attempts.
//!
//! # How it works
//! A schema change that locked its table on one node after the other would wait for transactions that have used the table
//! there and want it elsewhere: a deadlock over nodes, all but certain when the table is busy. So no lock is waited for
//! longer than [`LIMIT`]; then everything is given back, and tried again after a pause
//! ([`expanse_core::lock_attempts`]). When all nodes have the locks, the statement itself waits for none. No other session
//! waits for long, either, which is more than PostgreSQL's own schema changes grant.
//!
//! A busy table is always in use. So that an attempt can succeed, transaction blocks wait at their BEGIN for a
//! moment ([`crate::ddl::locks::begin_barrier`]), on all nodes, and those that have begun are given [`LEAVE`] to come to their ends. Statements
//! without a block are not held up: few of them are between two nodes at a time.
//!
//! A statement with CONCURRENTLY tries until it has its way or `lock_timeout` is over. Any other one may meet a table that
//! is in use at every moment; one inside a transaction block may meet a session that waits for what it has done before, where
//! no lock that is given back is one to be found in a cycle. So they wait as PostgreSQL does when their patience is over.

use crate::catalog::everywhere::{cluster, on_others, others};
use crate::ddl::locks::begin_barrier;
use crate::error::{Error, Raised};
use crate::metadata::node_session;
use crate::pg::compat;
use crate::pg::session::locks::lock_relation;
use crate::pg::session::{self, subtransaction, transaction};
use crate::pg::wait::pause;
use crate::pg::{names, spi};
use crate::transaction::abort;
use expanse_core::lock_attempts::{Attempts, Next, Patience};
use expanse_core::utility::TableLock;
use pgrx::pg_sys::panic::CaughtError;
use pgrx::pg_sys::Oid;
use pgrx::PgSqlErrorCode;
use std::any::Any;
use std::cell::Cell;
use std::panic::resume_unwind;
use std::time::Instant;

/// How long one lock is waited for.
const LIMIT: &std::ffi::CStr = c"40ms";
/// What transactions are given to come to their ends, in milliseconds.
const LEAVE: i64 = 15;

/// Takes the locks after those of `groups`. When its patience is at an end, the statement itself waits for them.
pub fn take(locks: &[(Oid, TableLock)], patience: Patience, groups: impl Fn()) {
    let session = session::process_id().unsigned_abs().into();
    let mut attempts = Attempts::new(patience, session::lock_timeout(), session);
    let began = Instant::now();
    while let Some(failure) = attempt(locks, &groups) {
        match attempts.failed(began.elapsed()) {
            Next::Fail => resume_unwind(failure),
            Next::Wait => return groups(),
            Next::Pause(time) => pause(milliseconds(time)),
            Next::PauseOutside(time) => {
                // Nothing has been done in the transaction, here or elsewhere.
                abort::after();
                transaction::commit_and_begin(|| pause(milliseconds(time)));
            }
        }
    }
}

fn milliseconds(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The error, when a lock was not to be had in time: nothing is locked then.
fn attempt(locks: &[(Oid, TableLock)], groups: &impl Fn()) -> Option<Box<dyn Any + Send>> {
    let trying = Cell::new(false);
    let outcome = subtransaction::attempt(|| {
        groups();
        trying.set(true);
        spi::with_settings(&[(c"lock_timeout", LIMIT)], || lock(locks));
    });
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

/// The tables on all other nodes at once, then here, with the begin barriers up meanwhile.
fn lock(locks: &[(Oid, TableLock)]) {
    let nodes = others(&cluster());
    on_others(&nodes, "SELECT expanse.close_door()");
    begin_barrier::raise();
    pause(LEAVE);
    let named: Vec<(String, i32)> = locks
        .iter()
        .filter_map(|(table, lock)| Some((names::qualified(*table)?, lock.there.number())))
        .collect();
    let tables = array(&named, |(name, _)| spi::literal(name), "regclass");
    let modes = array(&named, |(_, mode)| mode.to_string(), "int4");
    on_others(
        &nodes,
        &format!("SELECT expanse.lock_tables({tables}, {modes})"),
    );
    for &(table, lock) in locks {
        lock_relation(table, lock.here.number());
    }
    begin_barrier::lower();
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
    /// and takes the begin barrier down. For another node that changes the schema, as the user it works for.
    fn lock_tables(args) {
        let tables = args.required::<Vec<Oid>>(0, "tables");
        let modes = args.required::<Vec<i32>>(1, "modes");
        node_session::require("lock tables");
        // Functions of users run in such sessions, too.
        if !tables.iter().all(|&table| compat::owns(table)) {
            Error::NodesOnly { what: "lock tables" }.raise();
        }
        for (table, mode) in tables.into_iter().zip(modes) {
            lock_relation(table, mode);
        }
        begin_barrier::lower();
        Some(())
    }
}
