//! What a hook is to do with a utility statement.

use pgrx::pg_sys::PlannedStmt;
use std::ffi::c_void;

/// What the hook is to do with a utility statement.
#[derive(Clone, Copy)]
pub enum Utility {
    /// Nothing of ours is concerned.
    PassThrough,
    /// Run this COPY FROM, which spreads the rows (the room `copy`).
    CopyFrom(*mut c_void),
    /// Run `pstmt` here, then call `ddl::after` with the state (null, or a boxed `Concern`, which is leaked when the
    /// statement fails).
    Around {
        pstmt: *mut PlannedStmt,
        after: *mut c_void,
    },
}
