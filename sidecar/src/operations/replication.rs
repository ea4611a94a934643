//! Publications, slots and subscriptions of an operation. All carry its id in their names
//! (`expanse_<operation>_...`), so that whatever is left of it can be found and removed.

use std::time::Duration;

use expanse_core::wire::ControlError;
use tokio::time::{sleep, Instant};

use super::context::{maintenance, Context};
use super::error::{Error, Result};
use crate::cluster::Node;
use crate::postgres::{self, identifier, literal, NodeAddress};

/// Making a slot waits for transactions of others.
const SLOT_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// How long an active slot may take to be let go.
const SLOT_RELEASE: Duration = Duration::from_secs(20);

/// How long a write may take at most from its beginning until it knows all about its tables.
const BEGINNING: Duration = Duration::from_secs(1);

/// A stream of changes from one node to another.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Of the publication, the slot and the subscription.
    pub name: String,
    pub source: NodeAddress,
    pub target: NodeAddress,
    /// The `FOR TABLE` list, row filters included.
    pub tables: String,
}

/// `expanse_<operation>_`
pub fn prefix(operation_id: i64) -> String {
    format!("expanse_{operation_id}_")
}

/// Makes publication and slot on the source, if they are not there.
///
/// # Errors
/// Those of the source.
pub async fn open(context: &Context, stream: &Stream) -> Result<()> {
    let executor = context.executor();
    let name = stream.name.as_str();
    let known: bool = executor
        .value(
            &stream.source,
            maintenance("look for a publication"),
            "SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = $1::text)",
            &[&name],
        )
        .await?;
    if !known {
        let create = format!(
            "CREATE PUBLICATION {} FOR TABLE {} WITH (publish = 'insert, update, delete')",
            identifier(name),
            stream.tables
        );
        create_publication(context, stream, &create).await?;
    }
    let known: bool = executor
        .value(
            &stream.source,
            maintenance("look for a slot"),
            "SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1::text)",
            &[&name],
        )
        .await?;
    if !known {
        create_slot(context, stream).await?;
    }
    Ok(())
}

/// Whoever has locked one of its tables is waited for no longer than this with a transaction of ours open: PostgreSQL
/// lets every slot that is made meanwhile, also for other groups, wait for that transaction.
const TABLE_LOCK: &str = "SET LOCAL lock_timeout = '500ms'";

async fn create_publication(context: &Context, stream: &Stream, create: &str) -> Result<()> {
    let command = maintenance("create a publication");
    let session = context.executor().lease(&stream.source, command).await?;
    let sql = format!("{TABLE_LOCK}; {create}");
    let limit = Duration::from_secs(30);
    match session.batch("create a publication", &sql, limit).await {
        Err(error) if error.has_code("55P03") => Err(locked(context, &stream.source).await?),
        outcome => outcome.map_err(|error| made_meanwhile(error, &stream.source)),
    }
}

/// What a leader before this one, or a try whose answer was lost, is still making: it is looked for again.
fn made_meanwhile(error: postgres::Error, node: &NodeAddress) -> Error {
    if !(error.has_code("42710") || error.has_code("23505")) {
        return error.into();
    }
    let name = &node.node_name;
    Error::NotYet(ControlError::new(
        "42710",
        format!("what a stream needs on node \"{name}\" is being made by an earlier try: {error}"),
    ))
}

/// The error that says who has locked a table.
async fn locked(context: &Context, node: &NodeAddress) -> Result<Error> {
    const SQL: &str = "SELECT format('process %s', l.pid), l.relation::regclass::text FROM pg_locks l \
        WHERE l.locktype = 'relation' AND l.granted AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', \
            'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') AND l.pid <> pg_backend_pid() \
        AND l.relation IN (SELECT t.relation::oid FROM expanse.distributed_table t) LIMIT 1";
    let command = maintenance("look for blockers");
    let rows = context.executor().query(node, command, SQL, &[]).await?;
    let (who, what): (String, String) = match rows.first() {
        Some(row) => (
            row.get(0),
            format!("relation \"{}\"", row.get::<_, String>(1)),
        ),
        None => ("somebody".into(), "a table".into()),
    };
    let name = &node.node_name;
    let error = ControlError::new(
        "XP145",
        format!("{who} on node \"{name}\" has locked {what}"),
    );
    Ok(Error::NotYet(error.with_hint(format!(
        "Let its transaction end, or end it on node \"{name}\" with pg_terminate_backend."
    ))))
}

/// PostgreSQL makes a slot when every transaction that runs has ended, so it is said whom it waits for.
async fn create_slot(context: &Context, stream: &Stream) -> Result<()> {
    let session = context
        .executor()
        .lease(&stream.source, maintenance("create a slot"))
        .await?;
    let sql = format!(
        "SELECT pg_create_logical_replication_slot({}, 'pgoutput')",
        literal(&stream.name)
    );
    let creation = session.batch("create a slot", &sql, SLOT_LIMIT);
    tokio::pin!(creation);
    loop {
        tokio::select! {
            created = &mut creation => {
                return created.map_err(|error| made_meanwhile(error, &stream.source));
            }
            () = sleep(Duration::from_secs(1)) => show_blocker(context, &stream.source).await?,
        }
    }
}

async fn show_blocker(context: &Context, source: &NodeAddress) -> Result<()> {
    const SQL: &str = "SELECT w FROM ( \
           SELECT format('prepared transaction %s', gid) AS w, prepared AS since FROM pg_prepared_xacts \
           UNION ALL \
           SELECT format('transaction of process %s', pid), xact_start FROM pg_stat_activity \
           WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()) b ORDER BY since LIMIT 1";
    let rows = context
        .executor()
        .query(source, maintenance("look for blockers"), SQL, &[])
        .await?;
    if let Some(row) = rows.first() {
        let blocker: String = row.get(0);
        context
            .phase(format!(
                "copy: waits for {blocker} on node \"{}\"",
                source.node_name
            ))
            .await?;
    }
    Ok(())
}

/// Makes the subscriptions of one target that are not there, in one transaction: PostgreSQL starts
/// workers of one commit together, but others only after `wal_retrieve_retry_interval`.
///
/// # Errors
/// Those of the target.
pub async fn subscribe(context: &Context, target: &NodeAddress, streams: &[Stream]) -> Result<()> {
    const SQL: &str = "SELECT subname::text FROM pg_subscription WHERE subdbid = \
        (SELECT oid FROM pg_database WHERE datname = current_database())";
    let executor = context.executor();
    let rows = executor
        .query(target, maintenance("look for subscriptions"), SQL, &[])
        .await?;
    let known: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let mut create = String::new();
    for stream in streams.iter().filter(|s| !known.contains(&s.name)) {
        create.push_str(&format!(
            "CREATE SUBSCRIPTION {name} CONNECTION {conninfo} PUBLICATION {name} \
             WITH (create_slot = false, slot_name = {slot}, copy_data = true, binary = false);\n",
            name = identifier(&stream.name),
            slot = literal(&stream.name),
            conninfo = literal(&conninfo(context, &stream.source)),
        ));
    }
    if !create.is_empty() {
        let create = format!("{TABLE_LOCK};\n{create}");
        executor
            .batch(target, maintenance("create subscriptions"), &create)
            .await
            .map_err(|error| made_meanwhile(error, target))?;
    }
    Ok(())
}

/// How the target's server reaches the source's.
fn conninfo(context: &Context, source: &NodeAddress) -> String {
    let settings = &context.config().postgres;
    let quote = |value: &str| format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"));
    let mut text = format!(
        "host={} port={} dbname={} user={}",
        quote(&source.host),
        source.port,
        quote(&settings.dbname),
        quote(&settings.user),
    );
    if !settings.password.is_empty() {
        text.push_str(&format!(" password={}", quote(&settings.password)));
    }
    text
}

/// Starts a stream without a copy: the target gets what the source commits after its log was at `from`, for which
/// the slot is there already. Made disabled, told where to begin, then enabled, so that it never begins elsewhere.
///
/// # Errors
/// Those of both nodes.
pub async fn subscribe_from(context: &Context, stream: &Stream, from: &str) -> Result<()> {
    let executor = context.executor();
    let name = stream.name.as_str();
    // Should the subscription be lost in a crash or be enabled too early, the slot knows it too.
    const ADVANCE: &str = "SELECT count(pg_replication_slot_advance(slot_name, $2::text::pg_lsn)) \
        FROM pg_replication_slots WHERE slot_name = $1::text AND NOT active \
        AND confirmed_flush_lsn < $2::text::pg_lsn";
    let advance = maintenance("advance a slot").limit(SLOT_LIMIT);
    executor
        .query(&stream.source, advance, ADVANCE, &[&name, &from])
        .await?;
    const KNOWN: &str =
        "SELECT count(*) FROM pg_subscription WHERE subname = $1::text AND subdbid = \
        (SELECT oid FROM pg_database WHERE datname = current_database())";
    let look = maintenance("look for a subscription");
    let known: i64 = executor
        .value(&stream.target, look, KNOWN, &[&name])
        .await?;
    if known == 0 {
        let create = format!(
            "CREATE SUBSCRIPTION {id} CONNECTION {conninfo} PUBLICATION {id} WITH (create_slot = false, \
             slot_name = {slot}, copy_data = false, binary = false, enabled = false)",
            id = identifier(name),
            slot = literal(name),
            conninfo = literal(&conninfo(context, &stream.source)),
        );
        let command = maintenance("create a subscription");
        executor.batch(&stream.target, command, &create).await?;
    }
    let enable = format!(
        "SELECT pg_replication_origin_advance(o.name, {from}) FROM (SELECT 'pg_' || oid AS name FROM pg_subscription \
             WHERE subname = {literal} AND NOT subenabled) o \
         WHERE coalesce(pg_replication_origin_progress(o.name, false) < {from}, true); \
         ALTER SUBSCRIPTION {id} ENABLE",
        id = identifier(name),
        literal = literal(name),
        from = literal(from),
    );
    let command = maintenance("start a stream");
    Ok(executor.batch(&stream.target, command, &enable).await?)
}

/// Removes every subscription, slot and publication from `nodes` whose name begins with `prefix`. Nodes that have left, and
/// those that were to join and are gone, keep what they have: whoever waits for them waits for ever.
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
                Err(error) if error.has_code("55006") || error.has_code("42704") => {}
                other => other?,
            }
        }
        if started.elapsed() > SLOT_RELEASE {
            return Err(Error::NotYet(ControlError::new(
                "55006",
                format!(
                    "a replication slot on node \"{}\" is still in use",
                    node.node_name
                ),
            )));
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
    for row in &rows {
        let name: String = row.get(0);
        let command = maintenance("empty a publication");
        match executor.query(node, command, EMPTY, &[&name]).await {
            // A server that has lost the extension has no writers that could be in its way.
            Err(error) if error.has_code("3F000") || error.has_code("42883") => {}
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
