//! Steps that distributing and replicating a table share.

use crate::catalog::everywhere::{on_all_nodes, on_others, others};
use crate::metadata::cache::Metadata;
use crate::objects::checks::Subject;
use crate::objects::{definition, dependencies, key_trigger};
use crate::pg::{names, spi};
use pgrx::pg_sys::Oid;

/// What a table needs before its definition is read. Rebinds and new nodes follow changes by logical replication, which has
/// to find the rows: without a primary key by the whole row. Its own triggers must leave the distribution column alone.
pub fn prepare(subject: &Subject) {
    key_trigger::give(subject.relation, &subject.name);
    let oid = subject.relation.to_u32();
    if spi::holds(&format!(
        "SELECT relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = {oid} AND indisprimary) \
         FROM pg_class WHERE oid = {oid}"
    )) {
        spi::execute(&format!("ALTER TABLE {} REPLICA IDENTITY FULL", subject.name));
    }
}

/// Creates the table, without keys and triggers, on all other nodes.
pub fn create(metadata: &Metadata, before_rows: &[String]) {
    on_others(&others(metadata), &definition::block(before_rows));
}

/// Adds keys, indexes, triggers and the rest on all other nodes.
pub fn complete(metadata: &Metadata, after_rows: &[String]) {
    if !after_rows.is_empty() {
        on_others(&others(metadata), &definition::block(after_rows));
    }
}

/// Gives every node its own values of the sequences that fill the table's columns.
pub fn sequences(metadata: &Metadata, relation: Oid) {
    for sequence in dependencies::sequences(relation) {
        let used = spi::value(&format!(
            "SELECT last_value - (NOT is_called)::int FROM {sequence}"
        ))
        .unwrap_or_else(|| "0".into());
        on_all_nodes(
            metadata,
            &format!(
                "SELECT expanse.spread_sequence({}, {used})",
                names::regclass_literal(&sequence)
            ),
        );
    }
}

pub fn empty(table: &str) -> bool {
    !spi::holds(&format!("SELECT EXISTS (SELECT FROM ONLY {table})"))
}
