//! Transactions over nodes: begun lazily, ended together.
//!
//! # How it works
//! [`begin`] puts in front of a statement what its connection lacks: BEGIN, SAVEPOINTs, settings. The callbacks of the local
//! transaction end the remote ones: [`commit`] decides between a plain COMMIT and two-phase commit
//! ([`two_phase`]), [`abort`] rolls back, [`savepoint`] follows subtransactions.
//!
//! # Invariants
//! A connection whose remote transaction is in doubt or that did not answer in time is closed, never used again.
//!
//! # Unwind safety
//! Callbacks of an abort never raise and never wait longer than [`ABORT_TIMEOUT_MS`] a node.

pub mod abort;
pub mod commit;
pub mod consistency;
pub mod fault;
pub mod recovery;
pub mod savepoint;
pub mod two_phase;

use crate::entry::entry;
use crate::executor::connection::{local_depth, Connection, Scope};
use crate::executor::remote::Access;
use pgrx::pg_sys;
use std::ffi::c_void;

/// How long the end of an aborted transaction waits for a node before it drops the connection.
pub const ABORT_TIMEOUT_MS: i64 = 2_000;

/// Registers the transaction callbacks; called once at load.
pub fn init() {
    fault::define();
    consistency::ring::init();
    // SAFETY: the callbacks are plain functions that live as long as the library.
    unsafe {
        pg_sys::RegisterXactCallback(Some(on_transaction), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(on_subtransaction), std::ptr::null_mut());
    }
}

/// Puts in front of the next statement what the connection lacks for this kind of access.
pub fn begin(connection: &mut Connection, access: Access) {
    if let Some(statement) = connection.settings.catch_up() {
        connection.push(&statement);
    }
    // SAFETY: reads settings of the running transaction.
    let (one_snapshot, serializable, read_only) = unsafe {
        (
            pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32,
            pg_sys::XactIsoLevel == pg_sys::XACT_SERIALIZABLE as i32,
            pg_sys::XactReadOnly,
        )
    };
    if connection.scope == Scope::Statement
        && (connection.stale_snapshot
            || access == Access::Write
            || access == Access::WriteAlone
            || one_snapshot)
    {
        connection.push("COMMIT");
        connection.scope = Scope::None;
        connection.stale_snapshot = false;
        connection.depth = 0;
    }
    let wanted = match access {
        _ if connection.scope != Scope::None => connection.scope,
        _ if one_snapshot => Scope::Transaction,
        Access::Read | Access::WriteAlone => Scope::None,
        Access::ReadShared => Scope::Statement,
        Access::Write => Scope::Transaction,
    };
    if connection.scope == Scope::None && wanted != Scope::None {
        let level = match wanted {
            Scope::Transaction if serializable => "SERIALIZABLE",
            Scope::Transaction if !one_snapshot => "READ COMMITTED",
            _ => "REPEATABLE READ",
        };
        let mode = if read_only || wanted == Scope::Statement {
            "READ ONLY"
        } else {
            "READ WRITE"
        };
        connection.push(&format!("BEGIN ISOLATION LEVEL {level} {mode}"));
        connection.scope = wanted;
        connection.depth = 1;
    }
    if connection.scope == Scope::Transaction {
        while connection.depth < local_depth() {
            connection.depth += 1;
            let name = format!("SAVEPOINT expanse_{}", connection.depth);
            connection.push(&name);
        }
        connection.wrote |= matches!(access, Access::Write | Access::WriteAlone);
    }
}

unsafe extern "C-unwind" fn on_transaction(event: pg_sys::XactEvent::Type, _arg: *mut c_void) {
    use pg_sys::XactEvent::*;
    match event {
        XACT_EVENT_PRE_COMMIT => entry(commit::before),
        XACT_EVENT_COMMIT => entry(commit::after),
        XACT_EVENT_ABORT => entry(abort::transaction),
        XACT_EVENT_PRE_PREPARE => entry(commit::before_prepare),
        _ => {}
    }
}

unsafe extern "C-unwind" fn on_subtransaction(
    event: pg_sys::SubXactEvent::Type,
    _id: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _arg: *mut c_void,
) {
    use pg_sys::SubXactEvent::*;
    match event {
        SUBXACT_EVENT_PRE_COMMIT_SUB => entry(savepoint::release),
        SUBXACT_EVENT_ABORT_SUB => entry(savepoint::rollback),
        _ => {}
    }
}
