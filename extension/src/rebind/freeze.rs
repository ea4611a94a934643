//! `expanse.freeze_group`: writers of a group wait on every node, for a limited time.
//!
//! # How it works
//! The group lock of this node is taken first, then those of all other nodes at once, each with the session's `lock_timeout`: a
//! writer takes that of one node only, so the order does not matter to it, and a group is frozen by one operation at a time.
//! The limit is held where the locks are: every session that holds one, here and on the other nodes, is given the time that
//! is left as its `idle_in_transaction_session_timeout`, and a statement that goes on with the transaction has no more than
//! that as its `statement_timeout`. So the freeze ends whichever processes have died.
//!
//! # What is not guaranteed
//! Once `PREPARE TRANSACTION` has been sent no timer runs any more: a node that crashes in the middle of the switch's own
//! commit holds the writers of the others up until its outcome is known.

use crate::catalog::everywhere::{cluster, on_others, others};
use crate::error::Error;
use crate::metadata::cache::{GroupId, Metadata};
use crate::pg::raw;
use crate::pg::session::transaction::{accept_invalidations, local_id};
use crate::pg::spi;
use crate::rebind::motion::distributed_group;
use expanse_core::write_freeze::{Left, WriteFreeze, LONGEST_MS};
use std::cell::Cell;
use std::os::raw::c_int;
use std::time::Instant;

/// `STATEMENT_TIMEOUT` of `utils/timeout.h`, the same in PostgreSQL 13 to 18.
const STATEMENT_TIMEOUT: c_int = 3;

thread_local! {
    /// This backend's last freeze.
    static FREEZE: Cell<Option<WriteFreeze>> = const { Cell::new(None) };
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
        let Some(freeze) = WriteFreeze::begin(local_id(), Instant::now(), limit) else {
            Error::InvalidParameter {
                parameter: "limit_ms",
                reason: format!("it is not between 1 and {LONGEST_MS}"),
            }
            .raise()
        };
        FREEZE.set(Some(freeze));
        lock_group(&cluster(), group, readers);
        // Under the locks: no other session changes this group's binding now.
        accept_invalidations();
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

fn lock_group(metadata: &Metadata, group: GroupId, readers: bool) {
    let lock = |left: i32| format!("SELECT expanse.hold_gate({group}, {left}, {readers})");
    let left = at_least_1_ms();
    limit_statement(left);
    spi::execute(&lock(left));
    on_others(&others(metadata), &lock(at_least_1_ms()));
}

fn left() -> Left {
    WriteFreeze::left(FREEZE.get(), local_id(), Instant::now())
}

/// What is left of the freeze that this transaction has begun, for a timeout, of which 0 would be none.
fn at_least_1_ms() -> i32 {
    match left() {
        Left::Milliseconds(left) => left,
        Left::Over | Left::NoFreeze => 1,
    }
}

/// Goes on with a transaction that may hold a freeze: XP030 if that is over; else the statement has the time that is
/// left, and so has every other session of the transaction after the expression that this gives has been evaluated there.
/// `None`: it holds none, and so no group locks.
pub fn go_on() -> Option<String> {
    let left = match left() {
        Left::NoFreeze => return None,
        Left::Over => Error::FreezeOver.raise(),
        Left::Milliseconds(left) => left,
    };
    limit_statement(left);
    hold_here();
    Some(format!(
        "pg_catalog.set_config('idle_in_transaction_session_timeout', '{left}', true)"
    ))
}

/// Gives this session the time that is left before it is ended for being idle.
fn hold_here() {
    let left = at_least_1_ms();
    spi::execute(&format!(
        "SELECT set_config('idle_in_transaction_session_timeout', '{left}', true)"
    ));
}

fn limit_statement(left_ms: i32) {
    // SAFETY: the timeout is registered in every client backend; PostgreSQL disarms it at the end of the statement.
    unsafe { raw::enable_timeout_after(STATEMENT_TIMEOUT, left_ms) };
}
