//! Lookups in PostgreSQL's catalogs by OID, through its caches. A missing object gives `None`.

use crate::pg::entry::guarded;
use crate::pg::raw;
use crate::pg::tree::ValueType;
use pgrx::pg_sys::{self, AttrNumber, Datum, Oid, SysCacheIdentifier};
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

/// The same for a name that goes into a tree.
///
/// # Safety
/// As for [`string`].
unsafe fn c_string(text: *const c_char) -> Option<CString> {
    // SAFETY: as the caller promises.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_owned())
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
    unsafe { c_string(pg_sys::get_func_name(function)) }
}

/// Type, modifier and collation of a relation's column; raises if there is none.
pub fn column_type(relation: Oid, number: AttrNumber) -> ValueType {
    let mut of = ValueType::plain(pg_sys::InvalidOid);
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
    unsafe { c_string(pg_sys::get_attname(relation, number, false)) }.expect("it raises rather")
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

/// The equality operator of the type's default operator class.
pub fn equality_operator(type_oid: Oid) -> Option<Oid> {
    // SAFETY: the type cache has an entry for every existing type.
    valid(unsafe { (*pg_sys::lookup_type_cache(type_oid, pg_sys::TYPECACHE_EQ_OPR as i32)).eq_opr })
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

/// Has a locked relation triggers that fire for UPDATE?
pub fn fires_on_update(relation: Oid) -> bool {
    // SAFETY: the relation is locked, so it exists; it is closed again, the lock stays.
    unsafe {
        let opened = pg_sys::table_open(relation, pg_sys::NoLock as i32);
        let fires = (*opened).trigdesc.as_ref().is_some_and(|triggers| {
            triggers.trig_update_before_row
                || triggers.trig_update_after_row
                || triggers.trig_update_before_statement
                || triggers.trig_update_after_statement
        });
        pg_sys::table_close(opened, pg_sys::NoLock as i32);
        fires
    }
}
