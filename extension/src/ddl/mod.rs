//! Utility statements: schema changes on all nodes, COPY, and what is refused.

use pgrx::pg_sys::*;
use std::ffi::c_void;
use std::os::raw::c_char;

/// What the hook is to do with a utility statement.
#[derive(Clone, Copy)]
pub enum Utility {
    /// Nothing of ours is concerned.
    PassThrough,
    /// Everything has been done already; `qc` is filled in.
    Done,
    /// Run `pstmt` here, then call [`after`] with the state (a palloc'd value, or null).
    Around {
        pstmt: *mut PlannedStmt,
        after: *mut c_void,
    },
}

/// Decides, before PostgreSQL runs the statement.
pub fn before(
    pstmt: *mut PlannedStmt,
    query_string: *const c_char,
    context: ProcessUtilityContext::Type,
    params: ParamListInfo,
    dest: *mut DestReceiver,
    qc: *mut QueryCompletion,
) -> Utility {
    let _ = (pstmt, query_string, context, params, dest, qc);
    Utility::PassThrough
}

/// Completes what [`before`] announced, once PostgreSQL has run the statement here.
pub fn after(state: *mut c_void, qc: *mut QueryCompletion) {
    let _ = (state, qc);
}
