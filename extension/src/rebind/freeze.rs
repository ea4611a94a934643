//! `expanse.freeze_group`: writers of a group wait on every node, for a bounded time.
//!
//! # How it works
//! The group lock is taken here first, then on all other nodes at once, each with the session's `lock_timeout`: a writer
//! takes that of one node only, so the order does not matter to it, and a group is frozen by one operation at a time.
//! The limit is held where the locks are: every session that holds one, here and on the other nodes, is given the time that
//! is left as its `idle_in_transaction_session_timeout`, and a statement that goes on with the transaction has no more than
//! that as its `statement_timeout`. So the freeze ends without any session having to be alive.
//!
//! # What is not guaranteed
//! Once `PREPARE TRANSACTION` has been sent no timer runs any more: a node that crashes in the middle of the switch's own
//! commit holds the writers of the others up until its outcome is known.

use crate::catalog::everywhere::{cluster, on_others, others};
use crate::error::Error;
use crate::metadata::cache::{GroupId, Metadata};
use crate::pg::raw;
use crate::pg::session::transaction;
use crate::pg::spi;
use crate::rebind::motion::distributed_group;
use pgrx::pg_sys;
use std::cell::Cell;
use std::os::raw::c_int;
use std::time::{Duration, Instant};

/// The longest limit, in milliseconds.
const LONGEST_MS: i32 = 60_000;

/// `STATEMENT_TIMEOUT` of `utils/timeout.h`, the same in PostgreSQL 13 to 18.
const STATEMENT_TIMEOUT: c_int = 3;

thread_local! {
    /// Local transaction id and end of this backend's freeze.
    static FREEZE: Cell<Option<(u32, Instant)>> = const { Cell::new(None) };
}

crate::sql_function! {
    /// `expanse.freeze_group(group_id int, hash_map_version int, limit_ms int, readers boolean)`: writers of the group, and
    /// readers if told so, wait everywhere until this transaction ends, which it does by itself after `limit_ms`. XP029 if
    /// the group is not bound to that version.
    fn freeze_group(args) {
        let group = args.required::<i32>(0, "group_id");
        let version = args.required::<i32>(1, "hash_map_version");
        let limit = args.required::<i32>(2, "limit_ms");
        let readers = args.get::<bool>(3).unwrap_or(false);
        if !(1..=LONGEST_MS).contains(&limit) {
            Error::InvalidParameter {
                parameter: "limit_ms",
                reason: format!("it is not between 1 and {LONGEST_MS}"),
            }
            .raise();
        }
        let end = Instant::now() + Duration::from_millis(limit.unsigned_abs().into());
        FREEZE.set(Some((transaction(), end)));
        take_group_locks(&cluster(), group, readers);
        // Under the locks: no other session changes this group's binding now.
        transaction::accept_invalidations();
        let bound = distributed_group(&cluster(), group).version;
        if bound != Some(version) {
            Error::BoundOtherwise {
                group,
                bound: bound.unwrap_or(0),
                expected: version,
            }
            .raise();
        }
        hold_here();
        Some(())
    }
}

fn take_group_locks(metadata: &Metadata, group: GroupId, readers: bool) {
    let lock = |left: i32| format!("SELECT expanse.hold_gate({group}, {left}, {readers})");
    let left = left_ms().unwrap_or(1);
    limit_statement(left);
    spi::execute(&lock(left));
    on_others(&others(metadata), &lock(left_ms().unwrap_or(1)));
}

/// What is left of the freeze that this transaction holds, in milliseconds; `None` when it holds none.
fn left_ms() -> Option<i32> {
    let (owner, end) = FREEZE.get()?;
    if owner != transaction() {
        return None;
    }
    let left = end.saturating_duration_since(Instant::now()).as_millis();
    Some(i32::try_from(left).unwrap_or(i32::MAX))
}

/// Goes on with a transaction that may hold a freeze: XP030 if that is over; else the statement has the time that is
/// left, and so has every other session of the transaction after the expression that this gives has been evaluated there.
/// `None`: it holds none, and so no group locks.
pub fn go_on() -> Option<String> {
    let left = left_ms()?;
    if left == 0 {
        Error::FreezeOver.raise();
    }
    limit_statement(left);
    hold_here();
    Some(format!(
        "pg_catalog.set_config('idle_in_transaction_session_timeout', '{left}', true)"
    ))
}

/// Gives this session the time that is left before it is ended for being idle.
fn hold_here() {
    let left = left_ms().unwrap_or(1).max(1);
    spi::execute(&format!(
        "SELECT set_config('idle_in_transaction_session_timeout', '{left}', true)"
    ));
}

fn limit_statement(left_ms: i32) {
    // SAFETY: the timeout is registered in every client backend; PostgreSQL disarms it at the end of the statement.
    unsafe { raw::enable_timeout_after(STATEMENT_TIMEOUT, left_ms.max(1)) };
}

fn transaction() -> u32 {
    // SAFETY: this backend's own entry, valid in every transaction.
    unsafe { (*pg_sys::MyProc).lxid }
}
