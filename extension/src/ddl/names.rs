//! Which spread table a relation belongs to.

use crate::catalog::Metadata;
use pgrx::pg_sys::{self, Oid};

/// The spread table that a relation is, or is an index or a sequence of.
pub fn spread_table(metadata: &Metadata, relation: Oid) -> Option<Oid> {
    metadata
        .table(table_of(relation))
        .map(|table| table.relation)
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
