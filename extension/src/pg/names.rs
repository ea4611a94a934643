//! Names: of relations as all nodes understand them (OIDs differ between nodes, qualified names do not), and what the names in
//! statements mean by this session's search path.

use crate::pg::catalog::{self, valid};
use crate::pg::spi;
use crate::pg::tree::build::string;
use crate::pg::tree::{list_of, ListRef, NodeRef, OidList};
use pgrx::pg_sys::{self, ObjectType, ObjectWithArgs, Oid, RangeVar, TypeName};
use std::ffi::{CStr, CString};

/// `schema.name`, quoted where needed; `None` when the relation does not exist.
pub fn qualified(relation: Oid) -> Option<String> {
    let name = catalog::relation_name(relation)?;
    let schema = catalog::schema_name(catalog::relation_schema(relation)?)?;
    Some(format!(
        "{}.{}",
        spi::identifier(&schema),
        spi::identifier(&name)
    ))
}

/// The relation's bare name for messages; its OID when it does not exist.
pub fn bare(relation: Oid) -> String {
    catalog::relation_name(relation).unwrap_or_else(|| relation.to_u32().to_string())
}

/// `schema.name` as a literal of type regclass.
pub fn regclass_literal(qualified_name: &str) -> String {
    format!("{}::pg_catalog.regclass", spi::literal(qualified_name))
}

/// The schemas in which names without one are looked up, in order.
pub fn search_path() -> Vec<Oid> {
    // SAFETY: a list of OIDs in the current memory context.
    let path = unsafe { OidList::new(pg_sys::fetch_search_path(true)) };
    path.iter().collect()
}

/// The function of the extension's schema with this name and these argument types; raises if it does not exist.
pub fn function(name: &CStr, types: &[Oid]) -> Oid {
    look_up(name, types, false)
}

/// The same; `None` if it does not exist.
pub fn find_function(name: &CStr, types: &[Oid]) -> Option<Oid> {
    valid(look_up(name, types, true))
}

fn look_up(name: &CStr, types: &[Oid], missing_ok: bool) -> Oid {
    let full = list_of([c"expanse", name].map(string));
    let count = types.len() as i32;
    // SAFETY: a lookup by a list of names and an array of types.
    unsafe { pg_sys::LookupFuncName(full.as_ptr(), count, types.as_ptr(), missing_ok) }
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

/// The relation that a statement names; `None` when it does not exist. Takes no lock.
pub fn relation(range: NodeRef<'_, RangeVar>) -> Option<Oid> {
    // SAFETY: a valid RangeVar; a missing relation gives InvalidOid.
    valid(unsafe {
        pg_sys::RangeVarGetRelidExtended(
            range.as_ptr(),
            pg_sys::NoLock as i32,
            pg_sys::RVROption::RVR_MISSING_OK,
            None,
            std::ptr::null_mut(),
        )
    })
}

/// The same with a lock, which PostgreSQL takes on the relation that has the name in the end.
pub fn lock_relation(range: NodeRef<'_, RangeVar>, lock: u32) -> Option<Oid> {
    let missing_ok = pg_sys::RVROption::RVR_MISSING_OK;
    let none = std::ptr::null_mut();
    // SAFETY: a valid RangeVar; a missing relation gives InvalidOid.
    valid(unsafe {
        pg_sys::RangeVarGetRelidExtended(range.as_ptr(), lock as i32, missing_ok, None, none)
    })
}

/// The relation that a list of names (catalog, schema, relation) names.
pub fn relation_named(names: ListRef<'_, pg_sys::String>) -> Option<Oid> {
    if !(1..=3).contains(&names.len()) {
        return None;
    }
    // SAFETY: one to three strings give a RangeVar.
    relation(unsafe { NodeRef::new(pg_sys::makeRangeVarFromNameList(names.as_ptr())) }?)
}

/// The relation that all but the last of a list of names name: `schema.table.object`.
pub fn relation_before_last(names: ListRef<'_, pg_sys::String>) -> Option<Oid> {
    let last = i32::try_from(names.len().checked_sub(1)?).ok()?;
    // SAFETY: a copy of the list loses its last element.
    let before = unsafe {
        ListRef::new(pg_sys::list_truncate(
            pg_sys::list_copy(names.as_ptr()),
            last,
        ))
    };
    relation_named(before)
}

/// The relation with this name, in the schema if one is given, else by the search path.
pub fn relation_called(schema: Option<&str>, name: &str) -> Option<Oid> {
    let name = CString::new(name).ok()?;
    let schema = match schema {
        Some(schema) => Some(CString::new(schema).ok()?),
        None => None,
    };
    // SAFETY: both names are copied, so that the RangeVar has nothing of ours.
    let range = unsafe {
        let copy = |text: &CStr| pg_sys::pstrdup(text.as_ptr());
        let schema = schema.as_deref().map_or(std::ptr::null_mut(), copy);
        NodeRef::new(pg_sys::makeRangeVar(schema, copy(&name), -1))
    };
    relation(range?)
}

/// The type that a statement names; `None` when it does not exist.
pub fn type_of(name: NodeRef<'_, TypeName>) -> Option<Oid> {
    // SAFETY: a valid name; a missing type gives InvalidOid.
    valid(unsafe { pg_sys::LookupTypeNameOid(std::ptr::null_mut(), name.as_ptr(), true) })
}

/// The type that a list of names (catalog, schema, type) names.
pub fn type_named(names: ListRef<'_, pg_sys::String>) -> Option<Oid> {
    // SAFETY: a list of strings gives a TypeName.
    type_of(unsafe { NodeRef::new(pg_sys::makeTypeNameFromNameList(names.as_ptr())) }?)
}

/// The function that a statement names with its arguments; `None` when it does not exist.
pub fn function_of(kind: ObjectType::Type, name: NodeRef<'_, ObjectWithArgs>) -> Option<Oid> {
    // SAFETY: a valid name; a missing function gives InvalidOid.
    valid(unsafe { pg_sys::LookupFuncWithArgs(kind, name.as_ptr(), true) })
}

/// The statistics object that a list of names names.
pub fn statistics_named(names: ListRef<'_, pg_sys::String>) -> Option<Oid> {
    // SAFETY: a list of strings; a missing object gives InvalidOid.
    valid(unsafe { pg_sys::get_statistics_object_oid(names.as_ptr(), true) })
}
