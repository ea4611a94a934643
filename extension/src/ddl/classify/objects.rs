//! The spread tables that an object of a statement is about, and the statement's own text.

use crate::metadata::cache::Metadata;
use crate::pg::parse_tree::{relation_before_last, relation_named, text};
use crate::pg::spi;
use pgrx::pg_sys::{self, Node, ObjectType, Oid, PlannedStmt};
use std::os::raw::c_char;

/// The statement's part of the query string.
pub fn source_text(pstmt: *mut PlannedStmt, query_string: *const c_char) -> String {
    let whole = text(query_string).unwrap_or_default();
    // SAFETY: plain fields of the statement.
    let (location, length) = unsafe { ((*pstmt).stmt_location, (*pstmt).stmt_len) };
    let start = usize::try_from(location).unwrap_or(0);
    let end = match usize::try_from(length) {
        Ok(length) if length > 0 => start + length,
        _ => whole.len(),
    };
    whole
        .get(start..end)
        .unwrap_or(&whole)
        .trim()
        .trim_end_matches(';')
        .to_owned()
}

/// Qualified names of the spread ones among relations.
pub fn spread_names(
    metadata: &Metadata,
    relations: impl Iterator<Item = Oid>,
) -> Vec<(Oid, String)> {
    relations
        .filter(|&oid| metadata.table(oid).is_some())
        .filter_map(|oid| Some((oid, crate::pg::names::qualified(oid)?)))
        .collect()
}

pub fn joined(spread: &[(Oid, String)]) -> String {
    let names: Vec<&str> = spread.iter().map(|(_, name)| name.as_str()).collect();
    names.join(", ")
}

pub fn oids(spread: &[(Oid, String)]) -> Vec<Oid> {
    spread.iter().map(|(oid, _)| *oid).collect()
}

/// The table that a commented object is or belongs to.
pub fn commented(kind: ObjectType::Type, object: *mut Node) -> Option<Oid> {
    match kind {
        ObjectType::OBJECT_TABLE | ObjectType::OBJECT_INDEX | ObjectType::OBJECT_SEQUENCE => {
            relation_named(object.cast())
        }
        ObjectType::OBJECT_COLUMN
        | ObjectType::OBJECT_TABCONSTRAINT
        | ObjectType::OBJECT_TRIGGER
        | ObjectType::OBJECT_POLICY => relation_before_last(object.cast()),
        ObjectType::OBJECT_STATISTIC_EXT => statistics_table(object.cast()),
        _ => None,
    }
}

pub fn in_schema(metadata: &Metadata, schema: &str) -> Vec<Oid> {
    let tables = metadata.tables.values().map(|table| table.relation);
    tables
        .filter(|&table| {
            // SAFETY: system-cache lookups; null or a palloc'd name.
            let name = unsafe { pg_sys::get_namespace_name(pg_sys::get_rel_namespace(table)) };
            text(name).as_deref() == Some(schema)
        })
        .collect()
}

/// Spread tables with a column of the type that a list of names names.
pub fn using_type(metadata: &Metadata, names: *mut pg_sys::List) -> Vec<Oid> {
    if names.is_null() {
        return Vec::new();
    }
    // SAFETY: names of a type as the parser makes them; a missing type gives InvalidOid.
    let type_oid = unsafe {
        let name = pg_sys::makeTypeNameFromNameList(names);
        pg_sys::LookupTypeNameOid(std::ptr::null_mut(), name, true)
    };
    if type_oid == pg_sys::InvalidOid {
        return Vec::new();
    }
    with_type(metadata, type_oid)
}

/// Spread tables with a column of this type.
pub fn with_type(metadata: &Metadata, type_oid: Oid) -> Vec<Oid> {
    let uses = |table: Oid| {
        spi::holds(&format!(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = {} AND atttypid = {} AND NOT attisdropped)",
            table.to_u32(),
            type_oid.to_u32()
        ))
    };
    metadata
        .tables
        .values()
        .map(|table| table.relation)
        .filter(|&table| uses(table))
        .collect()
}

pub fn statistics_table(names: *mut pg_sys::List) -> Option<Oid> {
    // SAFETY: names of a statistics object as the parser makes them.
    let oid = unsafe { pg_sys::get_statistics_object_oid(names, true) };
    let table = spi::value(&format!(
        "SELECT stxrelid::pg_catalog.oid FROM pg_catalog.pg_statistic_ext WHERE oid = {}",
        oid.to_u32()
    ))?;
    table.parse::<u32>().ok().map(Oid::from)
}
