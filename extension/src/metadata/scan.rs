//! Reading a catalog table of schema `expanse` under a fresh catalog snapshot.
//!
//! Not through SPI: a transaction in REPEATABLE READ must still see the newest binding, or it would
//! read a node that no longer owns the rows.

use crate::error::Error;
use pgrx::{pg_sys, FromDatum};
use std::ffi::CStr;

/// One row during a scan.
pub struct Row {
    tuple: pg_sys::HeapTuple,
    descriptor: pg_sys::TupleDesc,
}

impl Row {
    /// A column by its name; `None` when NULL. Raises if the table has no such column, as one of another version.
    pub fn get<T: FromDatum>(&self, column: &CStr) -> Option<T> {
        // SAFETY: the descriptor belongs to the open scan; the name ends with NUL.
        let number = unsafe { pg_sys::SPI_fnumber(self.descriptor, column.as_ptr()) };
        if number <= 0 {
            Error::Internal(format!(
                "catalog column \"{}\" does not exist",
                column.to_string_lossy()
            ))
            .raise();
        }
        let mut null = false;
        // SAFETY: the tuple belongs to the open scan and has this column, whose type is the one that T stands for.
        unsafe {
            let datum = pg_sys::heap_getattr(self.tuple, number, self.descriptor, &mut null);
            T::from_datum(datum, null)
        }
    }
}

/// The OID of a table of schema `expanse`; `None` when the extension does not exist in this database.
/// Two lookups in PostgreSQL's own (negative-caching) system cache.
pub fn table_oid(name: &CStr) -> Option<pg_sys::Oid> {
    // SAFETY: lookups by NUL-terminated names; missing ones give InvalidOid.
    unsafe {
        let schema = pg_sys::get_namespace_oid(c"expanse".as_ptr(), true);
        if schema == pg_sys::InvalidOid {
            return None;
        }
        let table = pg_sys::get_relname_relid(name.as_ptr(), schema);
        (table != pg_sys::InvalidOid).then_some(table)
    }
}

/// Calls `visit` for every row of a table of schema `expanse`.
pub fn scan(name: &CStr, visit: impl FnMut(&Row)) {
    scan_as_of(std::ptr::null_mut(), name, visit);
}

/// The same as a snapshot shows it, which is active or registered; null is a fresh catalog snapshot.
pub fn scan_as_of(snapshot: pg_sys::Snapshot, name: &CStr, mut visit: impl FnMut(&Row)) {
    let Some(oid) = table_oid(name) else { return };
    // SAFETY: the relation is open and locked for the whole scan; on an error PostgreSQL's resource owner closes scan and relation.
    unsafe {
        let relation = pg_sys::table_open(oid, pg_sys::AccessShareLock as i32);
        let scan = pg_sys::systable_beginscan(
            relation,
            pg_sys::InvalidOid,
            false,
            snapshot,
            0,
            std::ptr::null_mut(),
        );
        loop {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() {
                break;
            }
            visit(&Row {
                tuple,
                descriptor: (*relation).rd_att,
            });
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as i32);
    }
}

/// Deletes the rows of a table of schema `expanse` whose column `column` is this OID.
pub fn delete_by_oid(table: pg_sys::Oid, column: &CStr, oid: pg_sys::Oid) {
    let lock = pg_sys::RowExclusiveLock as i32;
    // SAFETY: as in `scan_as_of`; the column is an OID.
    unsafe {
        let relation = pg_sys::table_open(table, lock);
        let descriptor = (*relation).rd_att;
        let scan = pg_sys::systable_beginscan(
            relation,
            pg_sys::InvalidOid,
            false,
            std::ptr::null_mut(),
            0,
            std::ptr::null_mut(),
        );
        loop {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() {
                break;
            }
            if (Row { tuple, descriptor }).get(column) == Some(oid) {
                pg_sys::CatalogTupleDelete(relation, &mut (*tuple).t_self);
            }
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, lock);
    }
}
