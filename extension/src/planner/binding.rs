//! A transaction with one snapshot for all of its statements must not read by a binding that is newer than it.
//!
//! Nodes that own rows since a rebind have got them by transactions that an older snapshot does not show: rows would be
//! missing. Such a transaction is refused as PostgreSQL refuses what it cannot serialize, and may be repeated.

use crate::error::Raised;
use crate::metadata::cache::{GroupId, Metadata, TableKind};
use crate::metadata::scan::scan_as_of;
use expanse_core::statement::QueryFacts;
use pgrx::pg_sys::{self, Oid};
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
    // SAFETY: plain variables of the transaction.
    unsafe {
        pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 && pg_sys::FirstSnapshotSet
    }
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
