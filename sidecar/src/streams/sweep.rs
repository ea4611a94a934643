//! Removing streams, and whatever is left of them.

use std::time::Duration;

use tokio::time::{sleep, Instant};
use tokio_postgres::error::SqlState;

use super::Refusal;
use crate::cluster::Node;
use crate::operations::{maintenance, Context, Result};
use crate::postgres::{identifier, literal, NodeAddress};

/// How long an active slot may take to be let go.
const SLOT_RELEASE: Duration = Duration::from_secs(20);

/// How long a write may take at most from its beginning until it knows all about its tables.
const BEGINNING: Duration = Duration::from_secs(1);

/// Removes every subscription, slot and publication from `nodes` whose name begins with `prefix`. Nodes that have left, and
/// those that were to join and are gone, keep what they have: waiting for them could take forever.
///
/// # Errors
/// Those of the nodes.
pub async fn sweep(context: &Context, nodes: &[Node], prefix: &str) -> Result<()> {
    let mut there = Vec::new();
    for node in nodes {
        if !node.leaving() && (node.active() || answers(context, &node.address).await) {
            there.push(node);
        }
    }
    let nodes = there;
    let mut sync_slots = Vec::new();
    for node in &nodes {
        sync_slots.extend(drop_subscriptions(context, &node.address, prefix).await?);
    }
    for node in &nodes {
        drop_slots(context, &node.address, prefix, &sync_slots).await?;
        drop_publications(context, &node.address, prefix).await?;
    }
    Ok(())
}

/// Whether a server answers within the time after which an operation gives up.
async fn answers(context: &Context, node: &NodeAddress) -> bool {
    let patience = Duration::from_millis(context.config().operations.give_up_after_ms);
    let started = Instant::now();
    loop {
        let look = maintenance("look for the server");
        match context.executor().query(node, look, "SELECT", &[]).await {
            Err(error) if error.is_absence() => {
                if started.elapsed() > patience {
                    tracing::warn!(operation = context.id(), %error, "the server keeps what it got");
                    return false;
                }
            }
            _ => return true,
        }
        context.poll_interval().await;
    }
}

/// Patterns of the slots that the dropped subscriptions' own copy workers may have left.
async fn drop_subscriptions(
    context: &Context,
    node: &NodeAddress,
    prefix: &str,
) -> Result<Vec<String>> {
    const SQL: &str = "SELECT subname::text, oid::int8 FROM pg_subscription WHERE starts_with(subname::text, $1::text) \
        AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let executor = context.executor();
    let rows = executor
        .query(node, maintenance("look for subscriptions"), SQL, &[&prefix])
        .await?;
    let mut patterns = Vec::new();
    for row in &rows {
        let name: String = row.get(0);
        let oid: i64 = row.get(1);
        patterns.push(format!("pg_{oid}_sync_"));
        let name = identifier(&name);
        let drop = format!(
            "ALTER SUBSCRIPTION {name} DISABLE; ALTER SUBSCRIPTION {name} SET (slot_name = NONE); \
             DROP SUBSCRIPTION {name}"
        );
        executor
            .batch(node, maintenance("drop a subscription"), &drop)
            .await?;
    }
    Ok(patterns)
}

async fn drop_slots(
    context: &Context,
    node: &NodeAddress,
    prefix: &str,
    sync_slots: &[String],
) -> Result<()> {
    const SQL: &str = "SELECT slot_name::text, active_pid, starts_with(slot_name::text, $1::text) \
        FROM pg_replication_slots WHERE database = current_database() AND (starts_with(slot_name::text, $1::text) \
        OR EXISTS (SELECT FROM unnest($2::text[]) AS p WHERE starts_with(slot_name::text, p)))";
    let executor = context.executor();
    let released = [SqlState::OBJECT_IN_USE, SqlState::UNDEFINED_OBJECT];
    let started = Instant::now();
    loop {
        let rows = executor
            .query(
                node,
                maintenance("look for slots"),
                SQL,
                &[&prefix, &sync_slots],
            )
            .await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in &rows {
            let name: String = row.get(0);
            let active: Option<i32> = row.get(1);
            let sql = match active {
                Some(pid) => format!("SELECT pg_terminate_backend({pid})"),
                None => format!("SELECT pg_drop_replication_slot({})", literal(&name)),
            };
            let outcome = executor.batch(node, maintenance("drop a slot"), &sql).await;
            match outcome {
                // In use again, or gone already: looked at once more.
                Err(error) if released.iter().any(|code| error.has_code(code.code())) => {}
                other => other?,
            }
        }
        if started.elapsed() > SLOT_RELEASE {
            let node = node.node_name.clone();
            return Err(Refusal::SlotInUse { node }.into());
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// In two halves: a write that finds its table in a publication, and then no such publication, would fail.
async fn drop_publications(context: &Context, node: &NodeAddress, prefix: &str) -> Result<()> {
    const SQL: &str =
        "SELECT pubname::text FROM pg_publication WHERE starts_with(pubname::text, $1::text)";
    const EMPTY: &str = "SELECT expanse.empty_publication($1)";
    let executor = context.executor();
    let rows = executor
        .query(node, maintenance("look for publications"), SQL, &[&prefix])
        .await?;
    if rows.is_empty() {
        return Ok(());
    }
    let without = [SqlState::INVALID_SCHEMA_NAME, SqlState::UNDEFINED_FUNCTION];
    for row in &rows {
        let name: String = row.get(0);
        let command = maintenance("empty a publication");
        match executor.query(node, command, EMPTY, &[&name]).await {
            // A server that has lost the extension has no writers that could be in its way.
            Err(error) if without.iter().any(|code| error.has_code(code.code())) => {}
            other => drop(other?),
        }
    }
    let_writes_begin(context, node).await?;
    for row in &rows {
        let name: String = row.get(0);
        let drop = format!("DROP PUBLICATION IF EXISTS {}", identifier(&name));
        executor
            .batch(node, maintenance("drop a publication"), &drop)
            .await?;
    }
    Ok(())
}

/// Waits until the writes that run on a node now have ended, but not for long ones: they read what they need to know of
/// their tables as they begin.
async fn let_writes_begin(context: &Context, node: &NodeAddress) -> Result<()> {
    const WRITES: &str =
        "SELECT coalesce(array_agg(pid || ' ' || query_start), '{}') FROM pg_stat_activity a \
        WHERE state = 'active' AND backend_type IN ('client backend', 'logical replication worker') AND pid <> pg_backend_pid() \
        AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'relation' \
            AND l.mode = 'RowExclusiveLock' AND l.granted) \
        AND ($1::text[] IS NULL OR pid || ' ' || query_start = ANY ($1::text[]))";
    let executor = context.executor();
    let started = Instant::now();
    let mut running: Option<Vec<String>> = None;
    loop {
        let command = maintenance("look for writes");
        let found: Vec<String> = executor.value(node, command, WRITES, &[&running]).await?;
        if found.is_empty() || started.elapsed() > BEGINNING {
            return Ok(());
        }
        running = Some(found);
        sleep(Duration::from_millis(5)).await;
    }
}
