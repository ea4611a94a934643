//! Differences between PostgreSQL versions, one function a difference.

use pgrx::pg_sys::{self, IndexStmt, InvalidOid, Oid};

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
