//! What must hold once a statement has run here; else it is refused and nothing remains of it.

use crate::ddl::classify::{Action, Concern};
use crate::ddl::{fills, refuse};
use crate::metadata::cache::{metadata, Metadata, TableKind};
use crate::objects::checks::Subject;
use crate::objects::foreign_keys;
use crate::objects::triggers;
use crate::objects::triggers::Of;
use crate::pg::{names, spi};
use pgrx::pg_sys::Oid;

/// Refuses (raises) a result that the nodes could not keep true.
pub fn check(concern: &Concern) {
    let Some(metadata) = metadata() else { return };
    if concern.functions {
        spi::qualified(|| check_triggers(&metadata, &Of::AllReplicated));
    }
    match concern.action {
        Action::Check => check_local(&metadata),
        Action::Schema(_) | Action::Index { .. } => {
            for &table in &concern.tables {
                check_spread(&metadata, table, &concern.new_columns);
            }
        }
        _ => {}
    }
}

fn check_spread(metadata: &Metadata, relation: Oid, new_columns: &[String]) {
    let Some(table) = metadata.table(relation) else {
        return;
    };
    let Some(name) = names::qualified(relation) else {
        return;
    };
    let subject = Subject {
        relation,
        name,
        bare: names::bare(relation),
    };
    spi::qualified(|| match &table.kind {
        TableKind::Distributed {
            column,
            column_name,
        } => {
            subject.check_keys(column_name, *column);
            foreign_keys::check(&subject, table.group, Some(column_name));
            check_triggers(metadata, &Of::Distributed(relation));
        }
        TableKind::Replicated => {
            foreign_keys::check(&subject, table.group, None);
            check_triggers(metadata, &Of::Replicated(relation));
        }
    });
    for column in new_columns {
        fills::check_default(metadata, relation, column);
    }
}

/// A trigger would do something else than on a plain table.
fn check_triggers(metadata: &Metadata, of: &Of) {
    if let Some(trigger) = triggers::objection(of) {
        refuse::raise(metadata, trigger.relation, &trigger.what, &trigger.hint);
    }
}

/// A table of this node alone neither points to distributed rows nor shares its definition with a spread table.
fn check_local(metadata: &Metadata) {
    let all: Vec<String> = metadata.tables.keys().map(u32::to_string).collect();
    let distributed: Vec<String> = metadata
        .tables
        .iter()
        .filter(|(_, table)| table.distribution_column().is_some())
        .map(|(oid, _)| oid.to_string())
        .collect();
    let list = |oids: &[String]| format!("'{{{}}}'::oid[]", oids.join(","));
    let pointing = spi::qualified(|| {
        spi::value(&format!(
            "SELECT confrelid::oid FROM pg_constraint WHERE contype = 'f' AND confrelid = ANY ({}) AND conrelid <> ALL ({}) \
             LIMIT 1",
            list(&distributed),
            list(&all)
        ))
    });
    if let Some(table) = oid_of(pointing) {
        refuse::raise(
            metadata,
            table,
            "a foreign key from a table of this node alone",
            "Create it without the foreign key, distribute it in the same colocation group, and then add the foreign key.",
        );
    }
    let inherited = spi::qualified(|| {
        spi::value(&format!(
            "SELECT i.spread FROM pg_inherits, LATERAL (VALUES (inhrelid), (inhparent)) AS i (spread) \
             WHERE i.spread = ANY ({}) LIMIT 1",
            list(&all)
        ))
    });
    if let Some(table) = oid_of(inherited) {
        refuse::raise(
            metadata,
            table,
            "inheritance",
            "Only ordinary tables can be spread.",
        );
    }
}

fn oid_of(text: Option<String>) -> Option<Oid> {
    text?.parse::<u32>().ok().map(Oid::from)
}

/// The highest OID among the table's indexes.
pub fn newest_index(table: Oid) -> u32 {
    spi::value(&format!(
        "SELECT coalesce(pg_catalog.max(indexrelid::pg_catalog.int8), 0) FROM pg_catalog.pg_index WHERE indrelid = {}",
        table.to_u32()
    ))
    .and_then(|text| text.parse().ok())
    .unwrap_or(0)
}
