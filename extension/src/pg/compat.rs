//! Differences between PostgreSQL versions, one function a difference; and what pgrx does not declare.

use pgrx::pg_sys::{self, IndexStmt, InvalidOid, ObjectAddress, Oid};
use std::os::raw::c_char;

extern "C-unwind" {
    /// parser/parse_utilcmd.h. An error in it `longjmp`s: called by way of [`crate::pg::entry::guarded`].
    pub fn transformIndexStmt(
        table: Oid,
        stmt: *mut IndexStmt,
        query_string: *const c_char,
    ) -> *mut IndexStmt;

    /// catalog/pg_attrdef.h: table and column that a default belongs to. Called in the same way.
    pub fn GetAttrDefaultColumnAddress(default: Oid) -> ObjectAddress;
}

/// Does the current user own this relation? Another function from PostgreSQL 16 on.
pub fn owns(relation: Oid) -> bool {
    // SAFETY: looks at the catalogs.
    unsafe { pg_sys::pg_class_ownercheck(relation, pg_sys::GetUserId()) }
}

/// Defines an index and leaves it empty. From PostgreSQL 16 on, a number of parts is passed as well.
///
/// # Safety
/// `stmt` has been analysed, and the table is locked.
pub unsafe fn define_unbuilt_index(table: Oid, stmt: *mut IndexStmt) -> Oid {
    let (check_rights, skip_build) = (true, true);
    // SAFETY: as the caller promises.
    unsafe {
        pg_sys::DefineIndex(
            table,
            stmt,
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
