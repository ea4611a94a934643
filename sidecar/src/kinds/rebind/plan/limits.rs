//! Whether the servers' settings allow the streams of a move.

use super::Pair;
use crate::kinds::rebind::refusal::Refusal;
use crate::operations::error::{Error, Result};
use crate::operations::{maintenance, Context};
use crate::postgres::NodeAddress;

/// Slots, senders and workers are counted before the first step, not found missing in the middle.
///
/// # Errors
/// [`Refusal::Setting`]; those of the nodes.
pub async fn check(context: &Context, pairs: &[Pair]) -> Result<()> {
    const SQL: &str = "SELECT current_setting('wal_level'), \
        current_setting('max_replication_slots')::int8 - greatest((SELECT count(*) FROM pg_replication_slots), \
            (SELECT count(*) FROM pg_replication_origin)), \
        current_setting('max_wal_senders')::int8 - (SELECT count(*) FROM pg_stat_replication), \
        current_setting('max_logical_replication_workers')::int8 \
            - (SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL), \
        current_setting('max_worker_processes')::int8 \
            - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'logical replication worker')";
    for node in context.nodes().await? {
        let sends = pairs.iter().filter(|p| p.source == node.name()).count() as i64;
        let receives = pairs.iter().filter(|p| p.target == node.name()).count() as i64;
        if sends + receives == 0 {
            continue;
        }
        let rows = context
            .executor()
            .query(&node.address, maintenance("check limits"), SQL, &[])
            .await?;
        let row = rows.first().expect("a SELECT without FROM has one row");
        let wal_level: String = row.get(0);
        if wal_level != "logical" {
            return Err(limit(&node.address, "wal_level", "logical"));
        }
        for ((setting, needed), free) in needs(sends, receives).into_iter().zip(1..) {
            let free: i64 = row.get(free);
            if needed > free {
                let more = format!("at least {} more", needed - free);
                return Err(limit(&node.address, setting, &more));
            }
        }
    }
    Ok(())
}

/// What a node needs: a slot for each stream that it sends, forward or back, and one more (and an origin) for a copy
/// in progress; senders and workers for the direction that needs more of them, and one more for a copy.
fn needs(sends: i64, receives: i64) -> [(&'static str, i64); 4] {
    let most = sends.max(receives) + 1;
    [
        ("max_replication_slots", sends + receives + 1),
        ("max_wal_senders", most),
        ("max_logical_replication_workers", most),
        ("max_worker_processes", most),
    ]
}

fn limit(node: &NodeAddress, setting: &'static str, value: &str) -> Error {
    let node = node.node_name.clone();
    let value = value.to_owned();
    Refusal::Setting {
        node,
        setting,
        value,
    }
    .into()
}
