//! `cluster_localize_table`: a distributed table becomes a local table of this node again, with all its rows.
//!
//! One transaction over all nodes: writers wait; rows of other nodes come here; the metadata go everywhere, the table goes
//! from the other nodes.

use crate::catalog::bucket_condition::{condition, distribution_column};
use crate::catalog::everywhere::{cluster, lock_metadata, on_all_nodes, on_others, others};
use crate::catalog::{groups, maps};
use crate::dispatch::run::run_on;
use crate::error::Error;
use crate::metadata::cache::{Metadata, Table, TableKind};
use crate::objects::checks::Subject;
use crate::objects::{dependencies, key_trigger, views};
use crate::pg::names::stored_columns;
use crate::pg::{catalog, names, spi};
use crate::remote::command::Access;
use pgrx::pg_sys::Oid;

/// Rows on their way, gone with the transaction.
const WAY: &str = "pg_temp.expanse_localized";

crate::sql_function! {
    /// `cluster_localize_table(relation regclass)`.
    fn cluster_localize_table(args) {
        localize(args.required::<Oid>(0, "relation"));
        Some(())
    }
}

fn localize(relation: Oid) {
    let known = cluster();
    if known.table(relation).is_none() {
        Error::NotDistributed {
            relation: names::bare(relation),
        }
        .raise();
    }
    let subject = Subject::lock(relation);
    let metadata = lock_metadata(&cluster());
    groups::refuse_if_locked();
    let Some(table) = metadata.table(relation) else {
        Error::NotDistributed {
            relation: subject.bare.clone(),
        }
        .raise()
    };
    groups::refuse_in_motion(&metadata, table.group);
    refuse_foreign_keys(&subject, &metadata);
    groups::freeze_everywhere(&metadata, table.group);
    fetch(&metadata, &subject, table);
    let used = last_values(&metadata, relation);
    views::drop_elsewhere(relation);
    on_all_nodes(
        &metadata,
        &format!(
            "SELECT expanse.remove_table({})",
            names::regclass_literal(&subject.name)
        ),
    );
    on_others(&others(&metadata), &format!("DROP TABLE {}", subject.name));
    store(&subject);
    key_trigger::take_away(relation, &subject.name);
    for (sequence, last) in used {
        spi::execute(&format!(
            "ALTER SEQUENCE {sequence} INCREMENT BY 1 RESTART WITH {}",
            last + 1
        ));
    }
    on_all_nodes(&metadata, maps::DROP_UNUSED);
    catalog::invalidate(relation);
}

/// A foreign key between this table and one that stays distributed could be checked by no node.
fn refuse_foreign_keys(subject: &Subject, metadata: &Metadata) {
    let oid = subject.relation.to_u32();
    let keys = spi::query(&format!(
        "SELECT conname, conrelid::oid, confrelid::oid FROM pg_constraint \
         WHERE contype = 'f' AND {oid} IN (conrelid, confrelid) AND conrelid <> confrelid ORDER BY oid"
    ));
    for key in keys {
        let text = |n: usize| key.get(n).cloned().flatten().unwrap_or_default();
        let by_hash = |n: usize| {
            let table = metadata.tables.get(&text(n).parse().unwrap_or(0));
            table.map(|table| table.kind != TableKind::Replicated)
        };
        let points_away = text(1) == oid.to_string();
        // A copy of a replicated table is here, too.
        let stays_possible = points_away && by_hash(2) == Some(false);
        if (if points_away { by_hash(2) } else { by_hash(1) }).is_some() && !stays_possible {
            Error::Unsupported {
                what: format!("cluster_localize_table with foreign key \"{}\"", text(0)),
                kind: "distributed",
                relation: subject.bare.clone(),
                hint: "Drop the foreign key first.".into(),
            }
            .raise();
        }
    }
}

/// Brings the rows that this node does not own; nothing when it owns all of them.
fn fetch(metadata: &Metadata, subject: &Subject, table: &Table) {
    let Some(map) = metadata.map_of(table.group) else {
        return;
    };
    if map.nodes() == [metadata.local_node] {
        return;
    }
    let own: Vec<(u32, u32)> = map
        .ranges_of(metadata.local_node)
        .iter()
        .map(|range| (range.first, range.last))
        .collect();
    let (column, type_oid) = distribution_column(subject.relation);
    let columns = stored_columns(subject.relation).join(", ");
    spi::execute(&format!(
        "CREATE TEMPORARY TABLE expanse_localized ON COMMIT DROP AS SELECT {columns} FROM {} WHERE NOT {}",
        subject.name,
        condition(&column, type_oid, &own)
    ));
}

/// Puts them into what is now a plain table; no triggers, no foreign keys: they have been there before.
fn store(subject: &Subject) {
    if !spi::holds(&format!("SELECT to_regclass('{WAY}') IS NOT NULL")) {
        return;
    }
    let columns = stored_columns(subject.relation).join(", ");
    let settings = [
        (c"expanse.internal", c"on"),
        (c"session_replication_role", c"replica"),
    ];
    spi::with_settings(&settings, || {
        spi::execute(&format!(
            "INSERT INTO {} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {WAY}",
            subject.name
        ));
        spi::execute(&format!("DROP TABLE {WAY}"));
    });
}

/// The highest value that any node has given of each of the table's sequences.
fn last_values(metadata: &Metadata, relation: Oid) -> Vec<(String, i64)> {
    let last = |sequence: &String| {
        let sql = format!("SELECT last_value - (NOT is_called)::int FROM {sequence}");
        let here = spi::value(&sql);
        let there = run_on(&others(metadata), Access::Write, &sql);
        let there = there.into_iter().flat_map(|(_, rows)| rows);
        let values = there.filter_map(|row| row.into_iter().next()?).chain(here);
        values.filter_map(|value| value.parse::<i64>().ok()).max()
    };
    dependencies::sequences(relation)
        .into_iter()
        .filter_map(|sequence| last(&sequence).map(|value| (sequence, value)))
        .collect()
}
