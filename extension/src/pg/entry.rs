//! The boundary between PostgreSQL and Rust.
//!
//! # How it works
//! Every function that PostgreSQL calls runs its Rust in [`entry`]. Inside, an error of our own (or of another
//! node) travels as an unwinding [`Raised`]; at the boundary it becomes an `ErrorData` in
//! PostgreSQL's memory and `ThrowErrorData` raises it, so that every field (SQLSTATE, constraint, context, ...)
//! arrives as it was. Errors of PostgreSQL itself that happen inside pass through pgrx, which keeps only
//! the main fields: code that calls into executor, planner or utility processing therefore calls the functions
//! of [`crate::pg::raw`] *outside* of `entry`, with nothing droppable on the stack.
//!
//! An error of ours that passes through PostgreSQL on its way (a statement of ours runs another) is known again and keeps its
//! fields.
//!
//! # Invariants
//! `entry` returns plain data (`Copy`), so that a later `longjmp` crosses nothing that needs to be dropped.

use crate::error::{encode_sqlstate, Raised};
use crate::pg::raw;
use pgrx::pg_sys::{self, panic::CaughtError};
use pgrx::PgSqlErrorCode;
use std::any::Any;
use std::cell::Cell;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

/// Runs `body`; raises what it raised as a PostgreSQL error.
pub fn entry<R: Copy>(body: impl FnOnce() -> R) -> R {
    // SAFETY: entry is called at the top of functions that PostgreSQL calls, and `R: Copy` guarantees that nothing
    // of the closure survives it; the closure itself is consumed.
    let outcome = unsafe {
        pg_sys::submodules::panic::pgrx_extern_c_guard(|| {
            match catch_unwind(AssertUnwindSafe(body)) {
                Ok(value) => Ok(value),
                Err(payload) => match payload.downcast::<Raised>() {
                    Ok(raised) => {
                        LAST.set(Some((*raised).clone()));
                        Err(raised.into_error_data())
                    }
                    Err(other) => match of_ours(&*other) {
                        Some(raised) => Err(raised.into_error_data()),
                        None => resume_unwind(other),
                    },
                },
            }
        })
    };
    match outcome {
        Ok(value) => value,
        // SAFETY: the error data is complete, lives in ErrorContext-independent palloc'd memory, and no Rust value
        // with a destructor is left in this frame.
        Err(data) => unsafe {
            raw::ThrowErrorData(data);
            unreachable!("ThrowErrorData does not return for an ERROR")
        },
    }
}

thread_local! {
    /// The last error that was raised here: it comes back through pgrx when it was raised inside a statement of ours.
    static LAST: Cell<Option<Raised>> = const { Cell::new(None) };
}

/// The error of ours that pgrx has caught: it knows no SQLSTATEs but PostgreSQL's, and forgets constraint and context.
fn of_ours(payload: &(dyn Any + Send)) -> Option<Raised> {
    let Some(CaughtError::PostgresError(caught)) = payload.downcast_ref() else {
        return None;
    };
    let raised = LAST.take()?;
    let code = caught.sql_error_code();
    let same_code = code == PgSqlErrorCode::ERRCODE_INTERNAL_ERROR
        || code as i32 == encode_sqlstate(&raised.sqlstate);
    (same_code && caught.message() == raised.message).then_some(raised)
}

/// Calls a function pointer of PostgreSQL's from inside [`entry`]: an error in it becomes an unwinding one, as it does in
/// PostgreSQL's functions by pgrx's own guard.
///
/// # Safety
/// As for the call itself, which has nothing droppable of its own.
pub unsafe fn guarded<R>(call: impl FnOnce() -> R) -> R {
    // SAFETY: on the backend's only thread.
    unsafe { pg_sys::submodules::ffi::pg_guard_ffi_boundary(call) }
}
