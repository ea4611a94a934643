//! Transactions over nodes: two-phase commit, savepoints, recovery.
//!
//! # How it works
//! [`participant`] begins a transaction on a node when a statement needs one. The callbacks here end it with the
//! local one: [`commit`] before and after the local commit, [`abort`] after a rollback, [`savepoint`] with
//! subtransactions. [`recovery`] finishes what a crash left.
//!
//! # Invariants
//! The decision of a transaction that wrote on several nodes is the local commit of its row in
//! `expanse.commit_record`. Nothing is committed anywhere before it, nothing is rolled back after it.
//!
//! # What is not guaranteed
//! Between the local commit and the last COMMIT PREPARED, another session can see the one and not yet the other.
//!
//! # Unwind safety
//! Only the callback before the commit may raise. The others run where PostgreSQL can not
//! stand an error: they catch everything, wait with a deadline, and close a connection whose state they do not know.

pub mod abort;
pub mod commit;
pub mod consistency;
pub mod constraints;
pub mod fault;
pub mod participant;
pub mod record;
pub mod recovery;
pub mod savepoint;
pub mod serializable;
pub mod statement;
pub mod victim;

use crate::ddl::{concurrently, forget};
use crate::entry::entry;
use crate::executor::{exchange, moving_scan, pending};
use pgrx::pg_sys::{self, SubTransactionId, SubXactEvent, XactEvent};
use std::ffi::c_void;

/// Registers the transaction callbacks; called once at load.
pub fn init() {
    consistency::ring::init();
    consistency::barrier::init();
    crate::ddl::door::init();
    victim::init();
    // SAFETY: plain functions that live as long as the library.
    unsafe {
        pg_sys::RegisterXactCallback(Some(on_transaction), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(on_subtransaction), std::ptr::null_mut());
    }
}

unsafe extern "C-unwind" fn on_transaction(event: XactEvent::Type, _argument: *mut c_void) {
    // SAFETY: a plain flag. When the process ends, its connections do, and the nodes roll back by themselves.
    if unsafe { pg_sys::proc_exit_inprogress } {
        return;
    }
    entry(|| match event {
        XactEvent::XACT_EVENT_PRE_COMMIT => {
            concurrently::at_commit();
            commit::before();
        }
        XactEvent::XACT_EVENT_COMMIT => {
            exchange::forget();
            victim::forget();
            constraints::forget(1);
            commit::after();
            consistency::barrier::leave();
        }
        XactEvent::XACT_EVENT_PREPARE => {
            exchange::forget();
            constraints::forget(1);
        }
        XactEvent::XACT_EVENT_PRE_PREPARE => commit::refuse_prepare(),
        XactEvent::XACT_EVENT_ABORT => {
            exchange::forget();
            // Should it have ended for another reason meanwhile.
            victim::forget();
            consistency::barrier::leave();
            consistency::beside::forget();
            moving_scan::forget(1);
            pending::forget(1);
            constraints::forget(1);
            concurrently::forget();
            forget::close(1);
            abort::after();
        }
        _ => {}
    });
}

unsafe extern "C-unwind" fn on_subtransaction(
    event: SubXactEvent::Type,
    id: SubTransactionId,
    _parent: SubTransactionId,
    _argument: *mut c_void,
) {
    // SAFETY: a plain flag and a counter.
    let (ending, level) = unsafe {
        (
            pg_sys::proc_exit_inprogress,
            pg_sys::GetCurrentTransactionNestLevel(),
        )
    };
    if ending {
        return;
    }
    entry(|| match event {
        SubXactEvent::SUBXACT_EVENT_PRE_COMMIT_SUB => {
            savepoint::release(level);
            constraints::release(level);
        }
        SubXactEvent::SUBXACT_EVENT_ABORT_SUB => {
            consistency::beside::forget();
            moving_scan::forget(level);
            pending::forget(id);
            constraints::forget(level);
            forget::close(level);
            savepoint::roll_back(level, id);
        }
        _ => {}
    });
}
