//! Names of relations as all nodes understand them: OIDs differ between nodes, qualified names do not.

use crate::pg::spi;
use crate::pg::tree::OidList;
use pgrx::pg_sys::{self, Oid};
use std::ffi::CStr;

/// `schema.name`, quoted where needed; `None` when the relation does not exist.
pub fn qualified(relation: Oid) -> Option<String> {
    // SAFETY: system-cache lookups; each gives null or a palloc'd string.
    unsafe {
        let name = pg_sys::get_rel_name(relation);
        if name.is_null() {
            return None;
        }
        let schema = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(relation));
        if schema.is_null() {
            return None;
        }
        let name = CStr::from_ptr(name).to_string_lossy();
        let schema = CStr::from_ptr(schema).to_string_lossy();
        Some(format!(
            "{}.{}",
            spi::identifier(&schema),
            spi::identifier(&name)
        ))
    }
}

/// The relation's bare name for messages; its OID when it does not exist.
pub fn bare(relation: Oid) -> String {
    // SAFETY: a system-cache lookup that gives null or a palloc'd string.
    unsafe {
        let name = pg_sys::get_rel_name(relation);
        if name.is_null() {
            return relation.to_u32().to_string();
        }
        CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}

/// `schema.name` as a literal of type regclass.
pub fn regclass_literal(qualified_name: &str) -> String {
    format!("{}::pg_catalog.regclass", spi::literal(qualified_name))
}

/// The schema with this name, if there is one.
pub fn schema(name: &CStr) -> Option<Oid> {
    // SAFETY: a system-cache lookup.
    let schema = unsafe { pg_sys::get_namespace_oid(name.as_ptr(), true) };
    (schema != pg_sys::InvalidOid).then_some(schema)
}

/// The schemas in which names without one are looked up, in order.
pub fn search_path() -> Vec<Oid> {
    // SAFETY: a list of OIDs in the current memory context.
    let path = unsafe { OidList::new(pg_sys::fetch_search_path(true)) };
    path.iter().collect()
}

/// The function of the extension's schema with this name and these argument types; raises if it does not exist.
pub fn function(name: &CStr, types: &[Oid]) -> Oid {
    // SAFETY: a lookup by a list of palloc'd names and an array of types.
    unsafe {
        let part = |text: &CStr| pg_sys::makeString(pg_sys::pstrdup(text.as_ptr()));
        let schema = pg_sys::lappend(std::ptr::null_mut(), part(c"expanse").cast());
        let full = pg_sys::lappend(schema, part(name).cast());
        pg_sys::LookupFuncName(full, types.len() as i32, types.as_ptr(), false)
    }
}

/// The name of a type with its schema, as in an error message.
pub fn type_name(type_oid: Oid) -> String {
    // SAFETY: format_type_be returns a palloc'd string for any OID.
    unsafe { CStr::from_ptr(pg_sys::format_type_be(type_oid)) }
        .to_string_lossy()
        .into_owned()
}

/// Columns that are stored as written (generated ones are computed on arrival), quoted.
pub fn stored_columns(relation: pg_sys::Oid) -> Vec<String> {
    spi::column(&format!(
        "SELECT quote_ident(attname) FROM pg_attribute \
         WHERE attrelid = {} AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
        relation.to_u32()
    ))
}
