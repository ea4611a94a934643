//! The extension's own catalog tables, those of schema `expanse`, read and written directly.
//!
//! Not through SPI: a transaction in REPEATABLE READ must still see the newest binding, or it would read a node that no longer
//! owns the rows; and a record is written whatever the user's privileges are.
//!
//! # Unwind safety
//! On an error PostgreSQL's resource owner closes scan and table.

use crate::error::Error;
use crate::pg::session::snapshot::SnapshotRef;
use pgrx::pg_sys::{self, Datum, Oid, Relation};
use pgrx::{FromDatum, IntoDatum};
use std::ffi::CStr;

/// A table that is open and locked.
pub struct CatalogTable<'a> {
    name: &'a CStr,
    relation: Relation,
}

/// A column of an open table.
#[derive(Debug, Clone, Copy)]
pub struct Column(i16);

/// One row during a scan.
pub struct Row {
    tuple: pg_sys::HeapTuple,
    descriptor: pg_sys::TupleDesc,
}

impl Row {
    /// The column's value; `None` when NULL.
    pub fn get<T: FromDatum>(&self, column: Column) -> Option<T> {
        let mut null = false;
        // SAFETY: tuple and descriptor belong to the open scan; the column is one of the table's, of the type that T stands for.
        unsafe {
            let number = i32::from(column.0);
            let datum = pg_sys::heap_getattr(self.tuple, number, self.descriptor, &mut null);
            T::from_datum(datum, null)
        }
    }
}

/// The OID of a table of schema `expanse`; `None` when the extension does not exist in this database.
/// Two lookups in PostgreSQL's own (negative-caching) system cache.
pub fn table_oid(name: &CStr) -> Option<Oid> {
    // SAFETY: lookups by NUL-terminated names; missing ones give InvalidOid.
    let found = unsafe {
        let schema = pg_sys::get_namespace_oid(c"expanse".as_ptr(), true);
        if schema == pg_sys::InvalidOid {
            return None;
        }
        pg_sys::get_relname_relid(name.as_ptr(), schema)
    };
    (found != pg_sys::InvalidOid).then_some(found)
}

/// Opens a table for reading; `None` when the extension does not exist in this database.
pub fn read<T>(name: &CStr, work: impl FnOnce(&CatalogTable) -> T) -> Option<T> {
    let lock = pg_sys::AccessShareLock as i32;
    table_oid(name).map(|oid| open(name, oid, lock, lock, work))
}

/// Opens a table for writing, its lock kept to the end of the transaction as for any writer. Raises when this server is part
/// of no cluster.
pub fn write<T>(name: &CStr, work: impl FnOnce(&CatalogTable) -> T) -> T {
    let oid = table_oid(name).unwrap_or_else(|| Error::NotInitialized.raise());
    let (lock, kept) = (pg_sys::RowExclusiveLock as i32, pg_sys::NoLock as i32);
    open(name, oid, lock, kept, work)
}

fn open<T>(
    name: &CStr,
    oid: Oid,
    lock: i32,
    unlock: i32,
    work: impl FnOnce(&CatalogTable) -> T,
) -> T {
    // SAFETY: an existing relation.
    let relation = unsafe { pg_sys::table_open(oid, lock) };
    let result = work(&CatalogTable { name, relation });
    // SAFETY: opened above.
    unsafe { pg_sys::table_close(relation, unlock) };
    result
}

impl CatalogTable<'_> {
    fn attributes(&self) -> &[pg_sys::FormData_pg_attribute] {
        // SAFETY: an open relation has a descriptor, behind which its attributes lie.
        unsafe {
            let descriptor = (*self.relation).rd_att;
            std::slice::from_raw_parts((*descriptor).attrs.as_ptr(), (*descriptor).natts as usize)
        }
    }

    /// The column with this name; raises when there is none.
    pub fn column(&self, name: &str) -> Column {
        let attributes = self.attributes().iter();
        let found = attributes
            .filter(|attribute| !attribute.attisdropped)
            .find(|attribute| pgrx::name_data_to_str(&attribute.attname) == name);
        let Some(attribute) = found else {
            let table = self.name.to_string_lossy();
            Error::Internal(format!(
                "catalog table expanse.{table} has no column \"{name}\""
            ))
            .raise()
        };
        Column(attribute.attnum)
    }

    /// Calls `visit` for every row, as of now.
    pub fn rows(&self, visit: impl FnMut(&Row)) {
        self.scan(std::ptr::null_mut(), visit);
    }

    /// The same as a snapshot shows it, which is active or registered.
    pub fn rows_as_of(&self, snapshot: SnapshotRef, visit: impl FnMut(&Row)) {
        self.scan(snapshot.as_ptr(), visit);
    }

    fn scan(&self, snapshot: pg_sys::Snapshot, mut visit: impl FnMut(&Row)) {
        // SAFETY: the relation is open and locked for the whole scan; a null snapshot is a fresh one of the catalogs.
        unsafe {
            let no_index = pg_sys::InvalidOid;
            let keys = std::ptr::null_mut();
            let scan =
                pg_sys::systable_beginscan(self.relation, no_index, false, snapshot, 0, keys);
            loop {
                let tuple = pg_sys::systable_getnext(scan);
                if tuple.is_null() {
                    break;
                }
                let descriptor = (*self.relation).rd_att;
                visit(&Row { tuple, descriptor });
            }
            pg_sys::systable_endscan(scan);
        }
    }

    /// Inserts a row; columns without a value are NULL.
    pub fn insert(&self, given: &[(Column, Datum)]) {
        let count = self.attributes().len();
        let mut values = vec![Datum::from(0); count];
        let mut nulls = vec![true; count];
        for &(column, value) in given {
            let place = column.0 as usize - 1;
            (values[place], nulls[place]) = (value, false);
        }
        // SAFETY: a value and a flag for each column; the tuple is formed by the table's own descriptor.
        unsafe {
            let tuple = pg_sys::heap_form_tuple(
                (*self.relation).rd_att,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
            pg_sys::CatalogTupleInsert(self.relation, tuple);
        }
    }

    /// Deletes the rows whose column is this OID.
    pub fn delete_all_with(&self, column: Column, oid: Oid) {
        self.rows(|row| {
            if row.get(column) == Some(oid) {
                // SAFETY: a row of the open table, which nothing else changes under its lock.
                unsafe { pg_sys::CatalogTupleDelete(self.relation, &mut (*row.tuple).t_self) };
            }
        });
    }

    /// Deletes the row with this primary key, a text. Another session may delete it at the same time.
    pub fn delete(&self, key: Column, text: &str) {
        let value = text.into_datum().expect("a text is a datum");
        // SAFETY: the scan key is of the primary key's one column, with text equality and the column's collation; the
        // scan is ended before the table is closed. heap_delete neither waits nor raises on a concurrent change.
        unsafe {
            let mut scan_key = text_equals(key, value);
            let index = pg_sys::RelationGetPrimaryKeyIndex(self.relation);
            let scan = pg_sys::systable_beginscan(
                self.relation,
                index,
                index != pg_sys::InvalidOid,
                std::ptr::null_mut(),
                1,
                &mut scan_key,
            );
            let tuple = pg_sys::systable_getnext(scan);
            if !tuple.is_null() {
                let mut failure = pg_sys::TM_FailureData::default();
                pg_sys::heap_delete(
                    self.relation,
                    &mut (*tuple).t_self.clone(),
                    pg_sys::GetCurrentCommandId(true),
                    std::ptr::null_mut(),
                    false,
                    &mut failure,
                    false,
                );
            }
            pg_sys::systable_endscan(scan);
        }
    }
}

fn text_equals(column: Column, value: Datum) -> pg_sys::ScanKeyData {
    /// `DEFAULT_COLLATION_OID`.
    const DEFAULT_COLLATION: u32 = 100;
    let mut key = pg_sys::ScanKeyData::default();
    // SAFETY: fills in the key.
    unsafe {
        pg_sys::ScanKeyInit(
            &mut key,
            column.0,
            pg_sys::BTEqualStrategyNumber as u16,
            Oid::from_u32(pg_sys::F_TEXTEQ),
            value,
        );
    }
    key.sk_collation = Oid::from_u32(DEFAULT_COLLATION);
    key
}
