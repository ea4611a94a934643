//! Which spread table a relation belongs to.

use crate::metadata::cache::Metadata;
use crate::pg::spi;
use pgrx::pg_sys::{self, Oid};

/// The spread table that a relation is, or is an index or a sequence of, or a sequence that fills one of its columns.
pub fn spread_table(metadata: &Metadata, relation: Oid) -> Option<Oid> {
    let of = metadata.table(table_of(relation));
    // SAFETY: a system-cache lookup by OID; a missing relation has no kind.
    let kind = unsafe { pg_sys::get_rel_relkind(relation) } as u8;
    match of {
        Some(table) => Some(table.relation),
        None if kind == pg_sys::RELKIND_SEQUENCE => filled_from(metadata, relation),
        None => None,
    }
}

/// A spread table with a default that names the sequence.
fn filled_from(metadata: &Metadata, sequence: Oid) -> Option<Oid> {
    let tables = spi::column(&format!(
        "SELECT a.adrelid::pg_catalog.int8 FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attrdef a ON a.oid = d.objid \
         WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass \
           AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = {} ORDER BY 1",
        sequence.to_u32()
    ));
    tables
        .iter()
        .filter_map(|table| table.parse::<u32>().ok().map(Oid::from))
        .find(|&table| metadata.table(table).is_some())
}

/// The table that a relation is an index or a sequence of; else the relation itself.
pub fn table_of(relation: Oid) -> Oid {
    // SAFETY: system-cache lookups by OID; missing objects give InvalidOid or false.
    let table = unsafe {
        match pg_sys::get_rel_relkind(relation) as u8 {
            pg_sys::RELKIND_INDEX => pg_sys::IndexGetRelation(relation, true),
            pg_sys::RELKIND_SEQUENCE => owner_of_sequence(relation),
            _ => relation,
        }
    };
    if table == pg_sys::InvalidOid {
        relation
    } else {
        table
    }
}

fn owner_of_sequence(sequence: Oid) -> Oid {
    let (mut table, mut column) = (pg_sys::InvalidOid, 0);
    for kind in [
        pg_sys::DependencyType::DEPENDENCY_AUTO,
        pg_sys::DependencyType::DEPENDENCY_INTERNAL,
    ] {
        // SAFETY: a catalog lookup into two locals.
        if unsafe { pg_sys::sequenceIsOwned(sequence, kind as _, &mut table, &mut column) } {
            return table;
        }
    }
    pg_sys::InvalidOid
}
