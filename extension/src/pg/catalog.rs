//! Lookups in PostgreSQL's catalogs by OID.

#![allow(dead_code)]

use crate::pg::tree::ValueType;
use pgrx::pg_sys::{self, AttrNumber, InvalidOid, Oid};
use std::ffi::{CStr, CString};

/// Is the function immutable? It exists.
pub fn is_immutable(function: Oid) -> bool {
    volatility(function) == pg_sys::PROVOLATILE_IMMUTABLE
}

/// Is the function volatile? It exists.
pub fn is_volatile(function: Oid) -> bool {
    volatility(function) == pg_sys::PROVOLATILE_VOLATILE
}

fn volatility(function: Oid) -> u8 {
    // SAFETY: a catalog lookup, which raises for a function that does not exist.
    unsafe { pg_sys::func_volatile(function) as u8 }
}

/// Has the object been made by PostgreSQL's initdb, so that its OID is the same on every node?
pub fn is_built_in(object: Oid) -> bool {
    object.to_u32() < pg_sys::FirstNormalObjectId
}

/// Is it a function of the extension's schema?
pub fn is_of_extension(function: Oid) -> bool {
    // SAFETY: catalog lookups, which give InvalidOid for what does not exist.
    unsafe {
        pg_sys::get_func_namespace(function) == pg_sys::get_namespace_oid(c"expanse".as_ptr(), true)
    }
}

/// The function's name without its schema; `None` when it does not exist.
pub fn function_name(function: Oid) -> Option<CString> {
    // SAFETY: a catalog lookup that gives null or a palloc'd string.
    unsafe { owned(pg_sys::get_func_name(function)) }
}

/// Type, modifier and collation of a relation's column; raises if there is none.
pub fn column_type(relation: Oid, number: AttrNumber) -> ValueType {
    let mut of = ValueType::plain(InvalidOid);
    // SAFETY: a catalog lookup into three plain variables.
    unsafe {
        pg_sys::get_atttypetypmodcoll(
            relation,
            number,
            &mut of.oid,
            &mut of.typmod,
            &mut of.collation,
        );
    }
    of
}

/// The name of a relation's column; raises if there is none.
pub fn column_name(relation: Oid, number: AttrNumber) -> CString {
    // SAFETY: a catalog lookup that gives a palloc'd string or raises.
    unsafe { owned(pg_sys::get_attname(relation, number, false)) }.expect("it raises rather")
}

/// The default collation of a type.
pub fn type_collation(type_oid: Oid) -> Oid {
    // SAFETY: a catalog lookup.
    unsafe { pg_sys::get_typcollation(type_oid) }
}

/// Is it one of PostgreSQL's pseudo-types, such as record?
pub fn is_pseudo_type(type_oid: Oid) -> bool {
    // SAFETY: a catalog lookup.
    unsafe { pg_sys::get_typtype(type_oid) as u8 == pg_sys::TYPTYPE_PSEUDO }
}

/// The type's default hash operator family; `InvalidOid` when it has none.
pub fn hash_family(type_oid: Oid) -> Oid {
    // SAFETY: the type cache has an entry for every existing type.
    unsafe {
        let entry = pg_sys::lookup_type_cache(type_oid, pg_sys::TYPECACHE_HASH_OPFAMILY as i32);
        (*entry).hash_opf
    }
}

/// Is the operator a member of the operator family?
pub fn operator_in_family(operator: Oid, family: Oid) -> bool {
    // SAFETY: a catalog lookup.
    unsafe { pg_sys::op_in_opfamily(operator, family) }
}

/// Are only identical values equal under the collation?
pub fn is_deterministic(collation: Oid) -> bool {
    // SAFETY: a catalog lookup, which raises for a collation that does not exist.
    unsafe { pg_sys::get_collation_isdeterministic(collation) }
}

/// One of a relation's columns.
pub struct Column {
    pub number: AttrNumber,
    pub name: CString,
    pub of: ValueType,
    pub dropped: bool,
    pub generated: bool,
}

/// The columns of a relation that is locked, dropped ones too.
pub fn columns(relation: Oid) -> Vec<Column> {
    // SAFETY: the relation is locked, so it exists and keeps its shape; it is closed again, the lock stays.
    unsafe {
        let relation = pg_sys::table_open(relation, pg_sys::NoLock as i32);
        let descriptor = (*relation).rd_att;
        let count = (*descriptor).natts as usize;
        let columns = std::slice::from_raw_parts((*descriptor).attrs.as_ptr(), count)
            .iter()
            .map(|attribute| Column {
                number: attribute.attnum,
                name: CStr::from_ptr(attribute.attname.data.as_ptr()).to_owned(),
                of: ValueType {
                    oid: attribute.atttypid,
                    typmod: attribute.atttypmod,
                    collation: attribute.attcollation,
                },
                dropped: attribute.attisdropped,
                generated: attribute.attgenerated != 0,
            })
            .collect();
        pg_sys::table_close(relation, pg_sys::NoLock as i32);
        columns
    }
}

/// # Safety
/// `text` is null or a NUL-terminated string.
unsafe fn owned(text: *const std::ffi::c_char) -> Option<CString> {
    // SAFETY: as the caller promises.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_owned())
}
