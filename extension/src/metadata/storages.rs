//! Which storages there are, and where things lie.

use crate::metadata::catalog_table;
use pgrx::pg_sys::{self, Oid};
use std::ffi::CStr;

/// Name and directory of every storage.
pub fn all() -> Vec<(String, String)> {
    let mut found = Vec::new();
    catalog_table::read(c"storage", |table| {
        let (name, directory) = (table.column("storage_name"), table.column("directory"));
        table.rows(|row| found.extend(row.get::<String>(name).zip(row.get::<String>(directory))));
    });
    found
}

/// Is this the name of a storage?
pub fn exists(name: &str) -> bool {
    all().iter().any(|(storage, _)| storage == name)
}

/// The name of a tablespace; `None` for the database's own.
pub fn of_tablespace(oid: Oid) -> Option<String> {
    if oid == pg_sys::InvalidOid {
        return None;
    }
    // SAFETY: gives a palloc'd string, or null for a tablespace that does not exist.
    unsafe {
        let name = pg_sys::get_tablespace_name(oid);
        (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}

/// Where a relation lies: `None` for the database's own tablespace.
pub fn of_relation(relation: Oid) -> Option<String> {
    // SAFETY: a system-cache lookup, which gives InvalidOid for the database's own.
    of_tablespace(unsafe { pg_sys::get_rel_tablespace(relation) })
}
