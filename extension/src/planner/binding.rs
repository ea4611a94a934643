//! A transaction with one snapshot for all of its statements must not read by a binding that is newer than it.
//!
//! Nodes that own rows since a rebind have got them by transactions that an older snapshot does not show: rows would be
//! missing. Such a transaction is refused as PostgreSQL refuses what it can not serialize, and may be repeated.

use crate::error::Raised;
use crate::metadata::cache::{GroupId, Metadata, TableKind};
use crate::metadata::scan::scan_as_of;
use crate::planner::tables::Mentions;
use pgrx::pg_sys::{self, Oid};
use std::collections::BTreeMap;

/// Raises 40001 if one of the tables was bound otherwise when the transaction's snapshot was taken.
pub fn refuse_newer(mentions: &Mentions, metadata: &Metadata) {
    // SAFETY: plain variables of the transaction.
    let fixed = unsafe {
        pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 && pg_sys::FirstSnapshotSet
    };
    if !fixed || mentions.distributed.is_empty() {
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
    // SAFETY: the transaction has its one snapshot, which stays until it ends.
    let snapshot = unsafe { pg_sys::GetTransactionSnapshot() };
    let mut versions: BTreeMap<GroupId, i32> = BTreeMap::new();
    scan_as_of(snapshot, c"colocation_group", |row| {
        let group = row.get::<i32>(c"group_id");
        versions.extend(group.zip(row.get::<i32>(c"hash_map_version")));
    });
    let mut found = BTreeMap::new();
    scan_as_of(snapshot, c"distributed_table", |row| {
        let version = row
            .get::<i32>(c"group_id")
            .and_then(|group| versions.get(&group));
        let binding = version
            .copied()
            .zip(row.get::<String>(c"distribution_column"));
        let relation = row.get::<Oid>(c"relation");
        found.extend(relation.map(|oid| oid.to_u32()).zip(binding));
    });
    found
}
