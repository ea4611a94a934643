//! Lookups in PostgreSQL's catalogs by OID, through its caches. A missing object gives `None`.

#![allow(dead_code)]

use crate::pg::entry::guarded;
use crate::pg::raw;
use pgrx::pg_sys::{self, Datum, Oid, SysCacheIdentifier};
use pgrx::FromDatum;
use std::ffi::{c_char, CStr, CString};

/// A palloc'd string as a value.
///
/// # Safety
/// Null, or a NUL-terminated string.
unsafe fn string(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    let text = unsafe { CStr::from_ptr(text) };
    Some(text.to_string_lossy().into_owned())
}

/// An OID that PostgreSQL gives as `InvalidOid` where there is none.
pub fn valid(oid: Oid) -> Option<Oid> {
    (oid != pg_sys::InvalidOid).then_some(oid)
}

pub fn relation_name(relation: Oid) -> Option<String> {
    // SAFETY: a lookup that gives null or a palloc'd string.
    unsafe { string(pg_sys::get_rel_name(relation)) }
}

/// One of PostgreSQL's `RELKIND_` constants.
pub fn relation_kind(relation: Oid) -> Option<u8> {
    // SAFETY: a lookup that gives 0 for a missing relation.
    let kind = unsafe { pg_sys::get_rel_relkind(relation) } as u8;
    (kind != 0).then_some(kind)
}

/// The schema that a relation is in.
pub fn relation_schema(relation: Oid) -> Option<Oid> {
    // SAFETY: a lookup that gives InvalidOid for a missing relation.
    valid(unsafe { pg_sys::get_rel_namespace(relation) })
}

/// The type of a relation's rows.
pub fn row_type(relation: Oid) -> Option<Oid> {
    // SAFETY: a lookup that gives InvalidOid for a missing relation.
    valid(unsafe { pg_sys::get_rel_type_id(relation) })
}

pub fn schema_name(schema: Oid) -> Option<String> {
    // SAFETY: a lookup that gives null or a palloc'd string.
    unsafe { string(pg_sys::get_namespace_name(schema)) }
}

pub fn schema_named(name: &str) -> Option<Oid> {
    let name = CString::new(name).ok()?;
    // SAFETY: a lookup by a NUL-terminated name that gives InvalidOid for a missing schema.
    valid(unsafe { pg_sys::get_namespace_oid(name.as_ptr(), true) })
}

/// Is it the schema of this session's temporary objects?
pub fn is_temporary_schema(schema: Oid) -> bool {
    // SAFETY: compares with the session's own.
    unsafe { pg_sys::isTempNamespace(schema) }
}

/// The schema in which a statement makes what it names without one.
pub fn creation_schema() -> Option<Oid> {
    // SAFETY: gives a palloc'd list of OIDs, the first of which is where objects are made.
    let path = unsafe { crate::pg::tree::OidList::new(pg_sys::fetch_search_path(false)) };
    path.iter().next()
}

/// The table that an index belongs to.
pub fn table_of_index(index: Oid) -> Option<Oid> {
    // SAFETY: a lookup that gives InvalidOid for a missing index.
    valid(unsafe { pg_sys::IndexGetRelation(index, true) })
}

/// The table with the column that owns a sequence, be it serial or identity.
pub fn table_of_sequence(sequence: Oid) -> Option<Oid> {
    let (mut table, mut column) = (pg_sys::InvalidOid, 0);
    let kinds = [
        pg_sys::DependencyType::DEPENDENCY_AUTO,
        pg_sys::DependencyType::DEPENDENCY_INTERNAL,
    ];
    let owned = kinds.into_iter().any(|kind| {
        // SAFETY: a lookup into two locals.
        unsafe { pg_sys::sequenceIsOwned(sequence, kind as _, &mut table, &mut column) }
    });
    owned.then_some(table)
}

/// The table with the column that a default belongs to.
pub fn table_of_default(default: Oid) -> Option<Oid> {
    // SAFETY: a lookup that gives InvalidOid for a missing default.
    valid(unsafe { guarded(|| raw::GetAttrDefaultColumnAddress(default)) }.objectId)
}

/// The table that a constraint belongs to; `None` for one of a domain.
pub fn table_of_constraint(constraint: Oid) -> Option<Oid> {
    /// `pg_constraint.conrelid`
    const CONRELID: i16 = 8;
    let cache = SysCacheIdentifier::CONSTROID as i32;
    // SAFETY: the tuple is held during the access and released after it.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(cache, Datum::from(constraint));
        if tuple.is_null() {
            return None;
        }
        let mut null = false;
        let relation = pg_sys::SysCacheGetAttr(cache, tuple, CONRELID, &mut null);
        pg_sys::ReleaseSysCache(tuple);
        Oid::from_datum(relation, null).and_then(valid)
    }
}

/// The CREATE INDEX that makes this index, with its tablespace unless that is the database's own.
pub fn index_definition(index: Oid) -> Option<String> {
    // SAFETY: gives a palloc'd string for an existing index, and raises otherwise.
    unsafe { string(pg_sys::pg_get_indexdef_string(index)) }
}

/// Plans that use the relation are made anew, in all sessions once this transaction commits.
pub fn invalidate(relation: Oid) {
    // SAFETY: registers an invalidation message.
    unsafe { pg_sys::CacheInvalidateRelcacheByRelid(relation) };
}

/// Deletes the rows of a catalog table whose first column is this OID.
pub fn delete_by_oid(table: Oid, oid: Oid) {
    let lock = pg_sys::RowExclusiveLock as i32;
    // SAFETY: the table is open and locked for the scan and the deletion; its first column is an OID.
    unsafe {
        let catalog = pg_sys::table_open(table, lock);
        let none = std::ptr::null_mut();
        let scan = pg_sys::systable_beginscan(catalog, pg_sys::InvalidOid, false, none, 0, none.cast());
        loop {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() {
                break;
            }
            let mut null = false;
            let value = pg_sys::heap_getattr(tuple, 1, (*catalog).rd_att, &mut null);
            if Oid::from_datum(value, null) == Some(oid) {
                pg_sys::CatalogTupleDelete(catalog, &mut (*tuple).t_self);
            }
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(catalog, lock);
    }
}
