//! The boundary between PostgreSQL and Rust.
//!
//! # How it works
//! Every function that PostgreSQL calls runs its Rust in [`entry`]. Inside, an error of our own (or of another
//! node) travels as an unwinding [`Raised`]; at the boundary it becomes an `ErrorData` in
//! PostgreSQL's memory and `ThrowErrorData` raises it, so that every field (SQLSTATE, constraint, context, ...)
//! arrives as it was. Errors of PostgreSQL itself that happen inside pass through pgrx, which keeps only
//! the main fields: code that calls into executor, planner or utility processing therefore calls the functions
//! of [`raw`] *outside* of `entry`, with nothing droppable on the stack.
//!
//! An error of ours that passes through PostgreSQL on its way (a statement of ours runs another) is known again and keeps its
//! fields.
//!
//! # Invariants
//! `entry` returns plain data (`Copy`), so that a later `longjmp` crosses nothing that needs to be dropped.

use crate::error::{encode_sqlstate, Raised};
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

/// PostgreSQL functions without pgrx's guard: an error in them `longjmp`s straight to PostgreSQL's handler.
/// Only for callers with nothing droppable on the stack.
pub mod raw {
    use pgrx::pg_sys::*;
    use std::os::raw::{c_char, c_int};

    extern "C-unwind" {
        pub fn ThrowErrorData(edata: *mut ErrorData);
        pub fn standard_planner(
            parse: *mut Query,
            query_string: *const c_char,
            cursor_options: c_int,
            bound_params: ParamListInfo,
        ) -> *mut PlannedStmt;
        pub fn standard_ProcessUtility(
            pstmt: *mut PlannedStmt,
            query_string: *const c_char,
            read_only_tree: bool,
            context: ProcessUtilityContext::Type,
            params: ParamListInfo,
            query_env: *mut QueryEnvironment,
            dest: *mut DestReceiver,
            qc: *mut QueryCompletion,
        );
        pub fn standard_ExecutorRun(
            query: *mut QueryDesc,
            direction: ScanDirection::Type,
            count: u64,
            once: bool,
        );
        pub fn standard_ExecutorStart(query: *mut QueryDesc, flags: c_int);
        pub fn ExecInitNode(node: *mut Plan, estate: *mut EState, eflags: c_int) -> *mut PlanState;
        pub fn ExecEndNode(node: *mut PlanState);
        pub fn BeginCopyFrom(
            pstate: *mut ParseState,
            relation: Relation,
            condition: *mut Node,
            filename: *const c_char,
            program: bool,
            source: copy_data_source_cb,
            columns: *mut List,
            options: *mut List,
        ) -> CopyFromState;
        pub fn CopyFrom(state: CopyFromState) -> u64;
        pub fn EndCopyFrom(state: CopyFromState);
        pub fn NextCopyFrom(
            state: CopyFromState,
            context: *mut ExprContext,
            values: *mut Datum,
            nulls: *mut bool,
        ) -> bool;
        pub fn NextCopyFromRawFields(
            state: CopyFromState,
            fields: *mut *mut *mut c_char,
            count: *mut c_int,
        ) -> bool;
        pub fn CopyFromErrorCallback(state: *mut std::ffi::c_void);
        pub fn ExecReScan(node: *mut PlanState);
        /// Handed to PostgreSQL as it is, which calls it below a guard of the caller's.
        pub fn RangeVarCallbackOwnsRelation(
            range: *const RangeVar,
            relation: Oid,
            before: Oid,
            argument: *mut std::ffi::c_void,
        );
    }
}
