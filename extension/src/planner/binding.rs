//! A transaction with one snapshot for all of its statements must not read by a binding that is newer than it.
//!
//! Nodes that own rows since a rebind have got them by transactions that an older snapshot does not show: rows would be
//! missing. Such a transaction is refused as PostgreSQL refuses what it cannot serialize, and may be repeated.

use crate::error::Raised;
use crate::metadata::cache::{GroupId, Metadata, TableKind};
use crate::metadata::catalog_table;
use crate::pg::session::snapshot;
use crate::pg::session::snapshot::SnapshotRef;
use crate::pg::session::transaction;
use expanse_core::statement::QueryFacts;
use pgrx::pg_sys::Oid;
use std::collections::BTreeMap;

/// Raises 40001 if one of the tables was bound otherwise when the transaction's snapshot was taken.
pub fn refuse_newer(facts: &QueryFacts, metadata: &Metadata) {
    if !has_one_snapshot() {
        return;
    }
    let relations = facts.mentions().map(|mention| Oid::from(mention.relation));
    let mut now = relations
        .filter_map(|relation| Some((relation, binding(relation, metadata)?)))
        .peekable();
    if now.peek().is_none() {
        return;
    }
    let then = bindings();
    for (relation, now) in now {
        if then.get(&relation.to_u32()) != Some(&now) {
            refuse(relation);
        }
    }
}

/// Does the transaction see all by a snapshot that has been taken already?
fn has_one_snapshot() -> bool {
    transaction::has_one_snapshot() && snapshot::is_taken()
}

/// Version and distribution column of a distributed table.
fn binding(relation: Oid, metadata: &Metadata) -> Option<(i32, String)> {
    let table = metadata.table(relation)?;
    match &table.kind {
        TableKind::Distributed { column_name, .. } => {
            Some((metadata.group(table.group).version?, column_name.clone()))
        }
        TableKind::Replicated => None,
    }
}

fn refuse(relation: Oid) -> ! {
    Raised {
        sqlstate: "40001".into(),
        message: "could not serialize access due to a concurrent rebind".into(),
        detail: Some(format!(
            "Table \"{}\" was bound otherwise when the transaction began.",
            crate::pg::names::bare(relation)
        )),
        hint: Some("Repeat the transaction.".into()),
        ..Raised::default()
    }
    .raise()
}

/// Version and distribution column of every distributed table, as the transaction's snapshot shows them.
fn bindings() -> BTreeMap<u32, (i32, String)> {
    let snapshot = SnapshotRef::of_transaction();
    let mut versions: BTreeMap<GroupId, i32> = BTreeMap::new();
    catalog_table::read(c"colocation_group", |table| {
        let (group, version) = (table.column("group_id"), table.column("hash_map_version"));
        table.rows_as_of(snapshot, |row| {
            versions.extend(row.get::<i32>(group).zip(row.get::<i32>(version)));
        });
    });
    let mut found = BTreeMap::new();
    catalog_table::read(c"distributed_table", |table| {
        let (relation, group) = (table.column("relation"), table.column("group_id"));
        let column = table.column("distribution_column");
        table.rows_as_of(snapshot, |row| {
            let version = row.get::<i32>(group).and_then(|group| versions.get(&group));
            let binding = version.copied().zip(row.get::<String>(column));
            let relation = row.get::<Oid>(relation).map(|oid| oid.to_u32());
            found.extend(relation.zip(binding));
        });
    });
    found
}
