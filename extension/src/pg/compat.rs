//! Differences between PostgreSQL versions, one function a difference.

use crate::pg::entry::guarded;
use crate::pg::raw;
use crate::pg::tree::NodeRef;
use pgrx::pg_sys::{self, IndexStmt, InvalidOid, Oid};
use std::ffi::CStr;

/// Does the current user own this relation? Another function from PostgreSQL 16 on.
pub fn owns(relation: Oid) -> bool {
    // SAFETY: looks at the catalogs.
    unsafe { pg_sys::pg_class_ownercheck(relation, pg_sys::GetUserId()) }
}

/// Defines an index and leaves it empty, as PostgreSQL runs a CREATE INDEX (`ProcessUtilitySlow`): the table is locked against
/// writers and its owner checked, the statement analysed. From PostgreSQL 16 on, a number of parts is passed as well.
pub fn define_unbuilt_index(stmt: NodeRef<'_, IndexStmt>, source: &CStr) -> Oid {
    let (check_rights, skip_build) = (true, true);
    // SAFETY: a CREATE INDEX as the parser made it, and the string that it was made of.
    unsafe {
        let table = pg_sys::RangeVarGetRelidExtended(
            stmt.relation,
            pg_sys::ShareLock as i32,
            0,
            Some(raw::RangeVarCallbackOwnsRelation),
            std::ptr::null_mut(),
        );
        let analysed = guarded(|| raw::transformIndexStmt(table, stmt.as_ptr(), source.as_ptr()));
        pg_sys::DefineIndex(
            table,
            analysed,
            InvalidOid,
            InvalidOid,
            InvalidOid,
            false,
            check_rights,
            false,
            skip_build,
            false,
        )
        .objectId
    }
}
