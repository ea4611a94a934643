//! Making publication and slot on the source.

use std::time::Duration;

use tokio::time::sleep;
use tokio_postgres::error::SqlState;

use super::{made_meanwhile, Refusal, Stream, SLOT_LIMIT, TABLE_LOCK};
use crate::operations::error::{Error, Result};
use crate::operations::{maintenance, Context};
use crate::postgres::{identifier, literal, NodeAddress};

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

async fn create_publication(context: &Context, stream: &Stream, create: &str) -> Result<()> {
    let command = maintenance("create a publication");
    let session = context.executor().lease(&stream.source, command).await?;
    let sql = format!("{TABLE_LOCK}; {create}");
    let limit = Duration::from_secs(30);
    match session.batch("create a publication", &sql, limit).await {
        Err(error) if error.has_code(SqlState::LOCK_NOT_AVAILABLE.code()) => {
            Err(locked(context, &stream.source).await?)
        }
        outcome => outcome.map_err(|error| made_meanwhile(error, &stream.source)),
    }
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
        None => ("a session".into(), "a table".into()),
    };
    let node = node.node_name.clone();
    Ok(Refusal::Locked { who, node, what }.into())
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
