//! COPY of distributed and replicated tables.
//!
//! # How it works
//! COPY FROM: PostgreSQL reads and splits the input (one COPY state, never asked for tuples if it can give raw fields);
//! the key's field decides the owner; lines for other nodes are sent there by COPY, those for this node feed a
//! second, ordinary COPY into the local fragment through its data callback, so that constraints, triggers and
//! batching are PostgreSQL's own. COPY TO becomes a COPY of the equivalent SELECT.
//!
//! # What is not guaranteed
//! Defaults of columns that the input lacks are computed by the node that stores the row. A line number in the context of a
//! constraint violation counts the lines of the node that reports it.

pub mod condition;
pub mod job;
pub mod privileges;
pub mod run;
pub mod to;

pub use self::run::run;

use crate::metadata::cache::{metadata, TableKind};
use crate::pg::utility::Utility;
use pgrx::pg_sys::{self, CopyStmt, PlannedStmt};

/// Decides about a utility statement: `None` when it is no COPY of a distributed table.
pub fn before(pstmt: *mut PlannedStmt) -> Option<Utility> {
    // SAFETY: PostgreSQL's utility statement.
    unsafe {
        let statement = (*pstmt).utilityStmt;
        if !crate::is_a!(statement, T_CopyStmt) || crate::metadata::node_session::is_internal() {
            return None;
        }
        let copy = statement.cast::<CopyStmt>();
        if (*copy).relation.is_null() {
            return None;
        }
        let lock = if (*copy).is_from {
            pg_sys::RowExclusiveLock
        } else {
            pg_sys::AccessShareLock
        };
        let flags = pg_sys::RVROption::RVR_MISSING_OK;
        let relation = pg_sys::RangeVarGetRelidExtended(
            (*copy).relation,
            lock as i32,
            flags,
            None,
            std::ptr::null_mut(),
        );
        let metadata = metadata()?;
        let table = metadata.table(relation)?;
        if !(*copy).is_from {
            let distributed = matches!(table.kind, TableKind::Distributed { .. });
            return distributed.then(|| Utility::Instead(to::as_query(pstmt, relation)));
        }
        privileges::check_source(copy);
        crate::catalog::groups::lock_for_writing(&metadata, table.group);
        Some(Utility::CopyFrom(job::Job::create(copy, relation)))
    }
}
