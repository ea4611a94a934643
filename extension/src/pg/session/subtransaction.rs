//! Work that may fail and leave nothing behind.

use pgrx::pg_sys;
use std::any::Any;
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Runs `body` in a subtransaction: what it did and locked stays when it succeeds, and is undone when it raises.
///
/// # Errors
/// What it raised, after the subtransaction has been rolled back.
pub fn attempt<R>(body: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    // SAFETY: a subtransaction that is ended below; context and owner are restored as PL/pgSQL does it.
    let (context, owner) = unsafe {
        let before = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(before.0);
        before
    };
    let outcome = catch_unwind(AssertUnwindSafe(body));
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
    outcome
}
