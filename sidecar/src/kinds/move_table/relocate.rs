//! Moving tables, one on one node at a time, in short attempts to lock it.

use std::time::Duration;

use tokio::time::{sleep, Instant};
use tokio_postgres::error::SqlState;

use super::parts::{cluster, look, mark, moves, tables, Part};
use super::refusal::Refusal;
use super::MoveTable;
use crate::cluster::Node;
use crate::executor::{Command, Weight};
use crate::operations::error::{Error, Result};
use crate::operations::{maintenance, Context};
use crate::postgres::NodeAddress;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const MOVE: Command = Command::new("move a table", Weight::Maintenance);
/// Copying takes as long as it takes; a server whose sidecar has gone away ends it by itself.
const COPY_LIMIT: Duration = Duration::from_secs(7 * 86_400);

/// How long to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    Limited,
    Endless,
}

/// # Errors
/// [`Refusal::NotLocked`] if a table could not be locked in the configured number of attempts; those of the nodes.
pub async fn run(context: &Context) -> Result<()> {
    let wanted = context.parameters::<MoveTable>()?;
    loop {
        let mut moved = false;
        for (node, parts) in now(context).await? {
            for (table, (statements, bytes)) in moves(&parts, |_| Some(wanted.storage())) {
                moved = true;
                relocate(context, &node, &table, &statements, Patience::Limited).await?;
                context
                    .report(|operation| operation.bytes_done += bytes)
                    .await?;
            }
            if let Some(index) = &wanted.cluster_on {
                in_order(context, &node, index).await?;
            }
        }
        // An index that was made meanwhile.
        if !moved {
            return Ok(());
        }
    }
}

/// Rewrites the named table in the order of the index, once a node.
async fn in_order(context: &Context, node: &NodeAddress, index: &str) -> Result<()> {
    let mut done = context.state::<MoveTable>()?.ordered.unwrap_or_default();
    if done.contains(&node.node_name) {
        return Ok(());
    }
    let table = context.entry().operation.target;
    let statements = [cluster(&table, index)];
    relocate(context, node, &table, &statements, Patience::Limited).await?;
    done.push(node.node_name.clone());
    context
        .change_state::<MoveTable>(|state| state.ordered = Some(done))
        .await
}

/// Moves everything to where it was.
///
/// # Errors
/// Those of the nodes.
pub async fn undo(context: &Context) -> Result<()> {
    let Some(before) = context.state::<MoveTable>()?.before else {
        return Ok(());
    };
    let rewritten = context.parameters::<MoveTable>()?.cluster_on.is_some();
    let target = context.entry().operation.target;
    for (node, parts) in now(context).await? {
        let was = before.iter().find(|(name, _)| *name == node.node_name);
        let Some((_, was)) = was else { continue };
        let wanted = |part: &Part| {
            let old = was.iter().find(|old| old.name == part.name);
            old.map(|old| old.storage.as_str())
        };
        for (table, (statements, _)) in moves(&parts, wanted) {
            relocate(context, &node, &table, &statements, Patience::Endless).await?;
        }
        if rewritten && parts.iter().any(|part| part.table == target) {
            let statements = [mark(&target, was)];
            relocate(context, &node, &target, &statements, Patience::Endless).await?;
        }
    }
    Ok(())
}

/// Every part of every table is where it is wanted, on all nodes.
///
/// # Errors
/// [`Refusal::LiesElsewhere`] with what is not.
pub async fn verify(context: &Context) -> Result<()> {
    let wanted = context.parameters::<MoveTable>()?;
    for (node, parts) in now(context).await? {
        if let Some(part) = parts.iter().find(|part| part.storage != wanted.storage()) {
            return Err(Refusal::LiesElsewhere {
                part: part.name.clone(),
                storage: part.storage.clone(),
                node: node.node_name,
            }
            .into());
        }
    }
    context
        .change(|entry| entry.operation.bytes_done = entry.operation.bytes_total)
        .await
}

/// What every active node has of the tables.
async fn now(context: &Context) -> Result<Vec<(NodeAddress, Vec<Part>)>> {
    let group_id = context.parameters::<MoveTable>()?.group_id();
    let target = context.entry().operation.target;
    let (executor, local) = (context.executor(), context.local());
    let tables = tables(executor, local, group_id, &target).await?;
    let mut found = Vec::new();
    for node in context.nodes().await?.into_iter().filter(Node::active) {
        let parts = look(executor, &node.address, &tables).await?;
        found.push((node.address, parts));
    }
    Ok(found)
}

/// Runs the statements on one table, locked against all sessions, in one transaction.
async fn relocate(
    context: &Context,
    node: &NodeAddress,
    table: &str,
    statements: &[String],
    patience: Patience,
) -> Result<()> {
    let mut pause = FIRST_PAUSE;
    let mut attempts = 0;
    loop {
        context
            .phase(format!("move: {table} on node \"{}\"", node.node_name))
            .await?;
        context.still_leads()?;
        let started = Instant::now();
        let Err(error) = attempt(context, node, table, statements).await else {
            return note(context, started.elapsed(), "done".into()).await;
        };
        attempts += 1;
        // In the way: the lock of another session.
        if !is_locked(&error) {
            return Err(error);
        }
        note(context, Duration::ZERO, error.to_string()).await?;
        if patience == Patience::Limited && attempts >= context.config().operations.switch_attempts
        {
            return Err(gave_up(node, table, &error));
        }
        sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn is_locked(error: &Error) -> bool {
    let locked = [
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_DEADLOCK_DETECTED,
    ];
    matches!(error.refusal(), Some(Refusal::LongTransaction { .. }))
        || locked.iter().any(|code| error.has_code(code.code()))
}

fn gave_up(node: &NodeAddress, table: &str, error: &Error) -> Error {
    Refusal::NotLocked {
        table: table.to_owned(),
        node: node.node_name.clone(),
        last: error.to_control(),
    }
    .into()
}

async fn note(context: &Context, held: Duration, outcome: String) -> Result<()> {
    let held_ms = held.as_secs_f64() * 1e3;
    context
        .change(|entry| {
            let operation = &mut entry.operation;
            operation.freeze_attempts += 1;
            operation.freeze_outcome = Some(outcome);
            operation.writes_waited_ms = operation.writes_waited_ms.max(held_ms);
        })
        .await
}

async fn attempt(
    context: &Context,
    node: &NodeAddress,
    table: &str,
    statements: &[String],
) -> Result<()> {
    refuse_behind_others(context, node, table).await?;
    let session = context.executor().lease(node, MOVE).await?;
    session.keep_to_yourself();
    let patience = context.config().operations.lock_timeout_ms;
    let batch = format!(
        "BEGIN; SET LOCAL lock_timeout = {patience}; SET LOCAL statement_timeout = 0; \
         LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; {}; COMMIT",
        statements.join("; ")
    );
    Ok(session.batch(MOVE.name, &batch, COPY_LIMIT).await?)
}

/// Does not queue behind a transaction that has used the table for longer than a lock may be waited for; an autovacuum is
/// asked to give way, as it does for any session that waits for a second.
async fn refuse_behind_others(context: &Context, node: &NodeAddress, table: &str) -> Result<()> {
    const SQL: &str = "SELECT coalesce(format('process %s', l.pid), 'a prepared transaction'), \
        coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8, \
        CASE WHEN a.backend_type = 'autovacuum worker' AND a.query !~ 'to prevent wraparound' \
             THEN pg_cancel_backend(a.pid) END \
        FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
        WHERE l.locktype = 'relation' AND l.granted AND l.relation = to_regclass($1::text)::oid \
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
        AND (l.pid IS NULL OR a.xact_start < clock_timestamp() - $2::int8 * interval '1 ms') LIMIT 1";
    let patience = context.config().operations.lock_timeout_ms as i64;
    let command = maintenance("look for long transactions");
    let rows = context
        .executor()
        .query(node, command, SQL, &[&table, &patience])
        .await?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    Err(Refusal::LongTransaction {
        who: row.get(0),
        node: node.node_name.clone(),
        table: table.to_owned(),
        seconds: row.get(1),
    }
    .into())
}
