//! `drop_hash_map`: hash maps that nothing is bound to any more disappear by themselves, and the journal says so.
//!
//! The leader compares the versions that the metadata have with those it has noted in the store. One that nothing needs
//! is dropped; one that is gone becomes an entry of the journal that has succeeded, in the same
//! write that takes it from the note. So each disappearance is told once, also when the leader changes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use expanse_core::wire::{Operation, OperationKind, OperationState};
use serde_json::json;
use tokio::time::sleep;

use crate::coordination::Op;
use crate::operations::{maintenance, JournalEntry, Result, Shared};
use crate::sys::now;

const INTERVAL: Duration = Duration::from_secs(2);
/// The versions that were there at the last look: a JSON array.
const NOTED: &str = "/hash_maps";

/// Looks for versions that are of no use until the leadership ends.
pub async fn keep(shared: &Arc<Shared>) {
    loop {
        if let Err(error) = look(shared).await {
            tracing::debug!(%error, "could not look for unused hash maps");
        }
        sleep(INTERVAL).await;
    }
}

async fn look(shared: &Shared) -> Result<()> {
    const SQL: &str = "SELECT m.hash_map_version, NOT m.current \
        AND NOT EXISTS (SELECT FROM expanse.colocation_group g WHERE g.moving_to IS NOT NULL) \
        AND NOT EXISTS (SELECT FROM expanse.colocation_group g JOIN expanse.distributed_table t USING (group_id) \
                        WHERE g.hash_map_version = m.hash_map_version) FROM expanse.hash_map m";
    let command = maintenance("look at the hash maps");
    let rows = shared
        .executor
        .query(&shared.local, command, SQL, &[])
        .await?;
    let there: BTreeSet<i32> = rows.iter().map(|row| row.get(0)).collect();
    if rows.iter().any(|row| row.get(1)) {
        let drop = maintenance("drop unused hash maps").in_cluster();
        let sql = "SELECT expanse.age_hash_maps()";
        shared.executor.query(&shared.local, drop, sql, &[]).await?;
    }
    // A server without a map is about to leave the cluster or to join it.
    if there.is_empty() {
        return Ok(());
    }
    note(shared, there).await
}

async fn note(shared: &Shared, there: BTreeSet<i32>) -> Result<()> {
    let store = shared.journal.store();
    let found = store.get_fresh(NOTED).await?;
    let noted: BTreeSet<i32> = found
        .as_ref()
        .and_then(|entry| entry.json(NOTED).ok())
        .unwrap_or_default();
    if found.is_some() && noted == there {
        return Ok(());
    }
    let data = json!(there).to_string().into_bytes();
    let mut write = vec![
        shared.leadership.fence(),
        match &found {
            Some(entry) => Op::Put {
                path: NOTED.into(),
                data,
                expected: entry.version,
            },
            None => Op::Create {
                path: NOTED.into(),
                data,
            },
        },
    ];
    let gone: Vec<i32> = noted.difference(&there).copied().collect();
    let entries = gone.iter().map(|version| disappeared(*version)).collect();
    write.extend(shared.journal.appending(entries).await?);
    store.multi(write).await?;
    for version in gone {
        tracing::info!(version, "hash map is gone: nothing was bound to it");
    }
    Ok(())
}

fn disappeared(version: i32) -> JournalEntry {
    let target = format!("hash map version {version}");
    let mut operation = Operation::new(0, OperationKind::DropHashMap, target);
    operation.parameters = json!({});
    operation.state = OperationState::Succeeded;
    operation.phase = "finished".into();
    operation.started_at = Some(now());
    operation.finished_at = operation.started_at;
    operation.result = Some("nothing was bound to it any more".into());
    operation.into()
}
