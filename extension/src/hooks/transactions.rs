//! PostgreSQL's callbacks at the end of transactions and subtransactions: what each room has to do then, in order.
//!
//! # Unwind safety
//! Only the callbacks before a commit may raise. The others run where PostgreSQL cannot stand an error.

use crate::ddl::locks::begin_barrier;
use crate::ddl::{concurrently, forget};
use crate::exchange;
use crate::pg::entry::entry;
use crate::pg::session::exiting;
use crate::pg::session::transaction::nest_level;
use crate::scan::{moving_scan, pending};
use crate::snapshot::{agree, mixed};
use crate::state::local_planning;
use crate::transaction::{abort, commit, commit_barrier, constraints, recent, savepoint, victim};
use pgrx::pg_sys::{self, SubTransactionId, SubXactEvent, XactEvent};
use std::ffi::c_void;

/// Registers the transaction callbacks; called once at load.
pub fn install() {
    recent::init();
    commit_barrier::init();
    begin_barrier::init();
    victim::init();
    // SAFETY: plain functions that live as long as the library.
    unsafe {
        pg_sys::RegisterXactCallback(Some(on_transaction), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(on_subtransaction), std::ptr::null_mut());
    }
}

unsafe extern "C-unwind" fn on_transaction(event: XactEvent::Type, _argument: *mut c_void) {
    // When the process ends, its connections do, and the nodes roll back by themselves.
    if exiting() {
        return;
    }
    entry(|| match event {
        XactEvent::XACT_EVENT_PRE_COMMIT => {
            concurrently::at_commit();
            agree::end();
            commit::before();
        }
        XactEvent::XACT_EVENT_COMMIT => {
            exchange::forget();
            victim::forget();
            constraints::forget(1);
            commit::after();
            commit_barrier::leave();
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
            commit_barrier::leave();
            mixed::forget();
            moving_scan::forget(1);
            pending::forget(1);
            constraints::forget(1);
            concurrently::forget();
            forget::close(1);
            local_planning::forget(1);
            agree::forget();
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
    if exiting() {
        return;
    }
    let level = nest_level();
    entry(|| match event {
        SubXactEvent::SUBXACT_EVENT_PRE_COMMIT_SUB => {
            savepoint::release(level);
            constraints::release(level);
        }
        SubXactEvent::SUBXACT_EVENT_ABORT_SUB => {
            mixed::forget();
            moving_scan::forget(level);
            pending::forget(id);
            constraints::forget(level);
            forget::close(level);
            local_planning::forget(level);
            savepoint::roll_back(level, id);
        }
        _ => {}
    });
}
