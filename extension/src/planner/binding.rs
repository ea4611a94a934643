//! A transaction with one snapshot for all of its statements must not read by a binding that is newer than it.
//!
//! Nodes that own rows since a rebind have got them by transactions that an older snapshot does not show: rows would be
//! missing. Such a transaction is refused as PostgreSQL refuses what it can not serialize, and may be repeated.

use crate::error::Raised;
use crate::metadata::cache::{GroupId, Metadata, TableKind};
use crate::metadata::catalog_table;
use crate::pg::session::snapshot;
use crate::pg::session::snapshot::SnapshotRef;
use crate::pg::session::transaction::keeps_snapshot;
use crate::planner::tables::Mentions;
use pgrx::pg_sys::Oid;
use std::collections::BTreeMap;

/// Raises 40001 if one of the tables was bound otherwise when the transaction's snapshot was taken.
pub fn refuse_newer(mentions: &Mentions, metadata: &Metadata) {
    if !keeps_snapshot() || !snapshot::is_taken() || mentions.distributed.is_empty() {
        return;
    }
    let then = bindings();
    for mention in &mentions.distributed {
        let now = metadata.table(mention.relation).and_then(|table| {
            let TableKind::Distributed { column_name, .. } = &table.kind else {
                return None;
            };
            Some((metadata.group(table.group).version?, column_name.clone()))
        });
        if now.is_some() && then.get(&mention.relation.to_u32()) != now.as_ref() {
            Raised {
                sqlstate: "40001".into(),
                message: "could not serialize access due to a concurrent rebind".into(),
                detail: Some(format!(
                    "Table \"{}\" was bound otherwise when the transaction began.",
                    crate::pg::names::bare(mention.relation)
                )),
                hint: Some("Repeat the transaction.".into()),
                ..Raised::default()
            }
            .raise();
        }
    }
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
            found.extend(
                row.get::<Oid>(relation)
                    .map(|oid| oid.to_u32())
                    .zip(binding),
            );
        });
    });
    found
}
