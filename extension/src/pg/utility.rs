//! What a hook is to do with a utility statement.

use pgrx::pg_sys::PlannedStmt;
use std::ffi::c_void;

/// What the hook is to do with a utility statement.
#[derive(Clone, Copy)]
pub enum Utility {
    /// Nothing of ours is concerned.
    PassThrough,
    /// Run this COPY FROM, which sends the rows to their nodes (the room `copy`).
    CopyFrom(*mut c_void),
    /// Run this statement in its place.
    Instead(*mut PlannedStmt),
    /// Run `pstmt` here, then call `ddl::after`.
    Around { pstmt: *mut PlannedStmt },
}
