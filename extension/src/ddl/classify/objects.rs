//! The distributed tables that an object of a statement is about.

use crate::metadata::cache::Metadata;
use crate::pg::tree::{ListRef, NodeRef};
use crate::pg::{catalog, names, spi};
use pgrx::pg_sys::{self, ObjectType, Oid, RangeVar};

/// The relations of these names that exist.
pub fn relations(ranges: ListRef<'_, RangeVar>) -> Vec<Oid> {
    ranges.iter().filter_map(names::relation).collect()
}

/// The relations that the lists of names in a list name.
pub fn relations_listed(objects: ListRef<'_>) -> Vec<Oid> {
    let lists = objects.iter().filter_map(|object| object.names());
    lists.filter_map(names::relation_named).collect()
}

/// Qualified names of relations, as a list of them.
pub fn listed(relations: &[Oid]) -> String {
    let names: Vec<String> = relations
        .iter()
        .filter_map(|&oid| names::qualified(oid))
        .collect();
    names.join(", ")
}

/// The distributed ones among these tables.
pub fn distributed(metadata: &Metadata, tables: &[Oid]) -> Vec<Oid> {
    let known = |table: &Oid| metadata.table(*table).is_some();
    tables.iter().copied().filter(known).collect()
}

/// The table that a commented object is or belongs to.
pub fn commented(kind: ObjectType::Type, object: NodeRef<'_>) -> Option<Oid> {
    match kind {
        ObjectType::OBJECT_TABLE | ObjectType::OBJECT_INDEX | ObjectType::OBJECT_SEQUENCE => {
            names::relation_named(object.names()?)
        }
        ObjectType::OBJECT_COLUMN
        | ObjectType::OBJECT_TABCONSTRAINT
        | ObjectType::OBJECT_TRIGGER
        | ObjectType::OBJECT_POLICY => names::relation_before_last(object.names()?),
        ObjectType::OBJECT_STATISTIC_EXT => statistics_table(object.names()?),
        _ => None,
    }
}

/// The table of a statistics object.
pub fn statistics_table(name: ListRef<'_, pg_sys::String>) -> Option<Oid> {
    spi::oid(&format!(
        "SELECT stxrelid::pg_catalog.oid FROM pg_catalog.pg_statistic_ext WHERE oid = {}",
        names::statistics_named(name)?.to_u32()
    ))
}

/// Distributed tables in a schema.
pub fn in_schema(metadata: &Metadata, schema: &str) -> Vec<Oid> {
    let Some(schema) = catalog::schema_named(schema) else {
        return Vec::new();
    };
    let tables = metadata.tables.values().map(|table| table.relation);
    tables
        .filter(|&table| catalog::relation_schema(table) == Some(schema))
        .collect()
}

/// Distributed tables with a column of this type.
pub fn with_type(metadata: &Metadata, type_oid: Option<Oid>) -> Vec<Oid> {
    let Some(type_oid) = type_oid else {
        return Vec::new();
    };
    let uses = |table: Oid| {
        spi::holds(&format!(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = {} AND atttypid = {} AND NOT attisdropped)",
            table.to_u32(),
            type_oid.to_u32()
        ))
    };
    let tables = metadata.tables.values().map(|table| table.relation);
    tables.filter(|&table| uses(table)).collect()
}

/// The other distributed tables whose foreign keys point to these, however indirectly.
pub fn pointing_to(tables: &[Oid], metadata: &Metadata) -> Vec<Oid> {
    let named: Vec<String> = tables.iter().map(|oid| oid.to_u32().to_string()).collect();
    let pointing = spi::qualified(|| {
        spi::oids(&format!(
            "WITH RECURSIVE reached (oid) AS ( \
                SELECT unnest('{{{}}}'::oid[]) \
              UNION \
                SELECT k.conrelid FROM pg_constraint k JOIN reached r ON k.confrelid = r.oid WHERE k.contype = 'f' \
             ) SELECT oid FROM reached ORDER BY oid",
            named.join(",")
        ))
    });
    pointing
        .into_iter()
        .filter(|oid| metadata.table(*oid).is_some() && !tables.contains(oid))
        .collect()
}
