//! Which distributed table a relation belongs to.

use crate::metadata::cache::Metadata;
use crate::pg::{catalog, spi};
use pgrx::pg_sys::{self, Oid};

/// The distributed table that a relation is, or is an index or a sequence of, or a sequence that fills one of its columns.
pub fn distributed_table(metadata: &Metadata, relation: Oid) -> Option<Oid> {
    match metadata.table(table_of(relation)) {
        Some(table) => Some(table.relation),
        None if catalog::relation_kind(relation) == Some(pg_sys::RELKIND_SEQUENCE) => {
            filled_from(metadata, relation)
        }
        None => None,
    }
}

/// A distributed table with a default that names the sequence.
fn filled_from(metadata: &Metadata, sequence: Oid) -> Option<Oid> {
    let tables = spi::oids(&format!(
        "SELECT a.adrelid::pg_catalog.int8 FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attrdef a ON a.oid = d.objid \
         WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass \
           AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = {} ORDER BY 1",
        sequence.to_u32()
    ));
    tables
        .into_iter()
        .find(|&table| metadata.table(table).is_some())
}

/// The table that a relation is an index or a sequence of; else the relation itself.
pub fn table_of(relation: Oid) -> Oid {
    let table = match catalog::relation_kind(relation) {
        Some(pg_sys::RELKIND_INDEX) => catalog::table_of_index(relation),
        Some(pg_sys::RELKIND_SEQUENCE) => catalog::table_of_sequence(relation),
        _ => None,
    };
    table.unwrap_or(relation)
}
