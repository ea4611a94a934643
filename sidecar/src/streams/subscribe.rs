//! Starting streams on their targets.

use super::{made_meanwhile, Stream, SLOT_LIMIT, TABLE_LOCK};
use crate::operations::{maintenance, Context, Result};
use crate::postgres::{identifier, literal, NodeAddress};

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
