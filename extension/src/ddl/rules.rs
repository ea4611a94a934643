//! What must hold once a statement has run here; else it is refused and nothing remains of it.

use crate::ddl::classify::DdlJob;
use crate::ddl::{fills, refuse};
use crate::metadata::cache::{metadata, Metadata, TableKind};
use crate::objects::checks::Subject;
use crate::objects::foreign_keys;
use crate::objects::triggers;
use crate::objects::triggers::Of;
use crate::pg::{names, spi};
use expanse_core::utility::{refusal, Action};
use pgrx::pg_sys::Oid;

/// Refuses (raises) a result that the nodes could not keep true.
pub fn check(job: &DdlJob) {
    let Some(metadata) = metadata() else { return };
    if job.changes_functions() {
        spi::qualified(|| check_triggers(&metadata, &Of::AllReplicated));
    }
    match job.action {
        Action::CheckLocal => check_local(&metadata),
        Action::SameText | Action::CreateIndex | Action::DropIndexes => {
            for &table in &job.tables {
                check_distributed(&metadata, table, &job.new_columns);
            }
        }
        _ => {}
    }
}

fn check_distributed(metadata: &Metadata, relation: Oid, new_columns: &[String]) {
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

/// A trigger would do something else than on a local table.
fn check_triggers(metadata: &Metadata, of: &Of) {
    if let Some(trigger) = triggers::objection(of) {
        refuse::raise(metadata, trigger.relation, &trigger.what, &trigger.hint);
    }
}

/// A local table neither points to rows of a table distributed by hash nor shares its definition with a distributed table.
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
        spi::oid(&format!(
            "SELECT confrelid::oid FROM pg_constraint WHERE contype = 'f' AND confrelid = ANY ({}) AND conrelid <> ALL ({}) \
             LIMIT 1",
            list(&distributed),
            list(&all)
        ))
    });
    if let Some(table) = pointing {
        refuse::refuse(metadata, table, refusal::FOREIGN_KEY_FROM_LOCAL);
    }
    let inherited = spi::qualified(|| {
        spi::oid(&format!(
            "SELECT i.relation FROM pg_inherits, LATERAL (VALUES (inhrelid), (inhparent)) AS i (relation) \
             WHERE i.relation = ANY ({}) LIMIT 1",
            list(&all)
        ))
    });
    if let Some(table) = inherited {
        refuse::refuse(metadata, table, refusal::INHERITANCE);
    }
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
