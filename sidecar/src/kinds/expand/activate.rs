//! The moment from which the new nodes count.
//!
//! Where there are replicated tables, writes to them wait while the last changes reach the new
//! nodes; the limit of that wait is held inside the nodes, by timeouts of the transaction.

use std::time::Duration;

use tokio::time::{sleep, Instant};

use super::join::newcomers;
use super::refusal::Refusal;
use super::replicated::streams;
use super::state::Expand;
use crate::executor::{Command, Weight};
use crate::kinds;
use crate::metrics;
use crate::operations::error::{Error, Result};
use crate::operations::{maintenance, Context};
use crate::postgres::{literal, NodeAddress, Session};
use crate::streams::drain;
use crate::streams::Stream;

/// Group of the replicated tables.
const REPLICATED: i32 = 0;
const SWITCH: Command = Command::new("activate the node", Weight::Critical);
const ACTIVATION_LIMIT: Duration = Duration::from_secs(60);
/// The outcome of a commit that takes longer is read back.
const COMMIT_LIMIT: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// # Errors
/// [`Error::Cancelled`] between two attempts; errors that repeating does not mend.
pub async fn run(context: &Context) -> Result<()> {
    let streams = streams(context).await?;
    let mut pause = Duration::from_millis(100);
    loop {
        if context.cancelled().is_cancelled() {
            return Err(Error::Cancelled);
        }
        let (frozen, outcome) = {
            let _alone = context.exclusive().lock().await;
            match streams.first() {
                None => (Duration::ZERO, activate(context, ACTIVATION_LIMIT).await),
                Some(first) => frozen(context, &first.source, &streams).await,
            }
        };
        if !streams.is_empty() {
            metrics::observe_freeze("expand", outcome.is_ok(), frozen);
        }
        let attempts = context.entry().attempts + 1;
        context
            .change(|entry| {
                entry.attempts = attempts;
                let waited = &mut entry.operation.writes_waited_ms;
                *waited = waited.max(frozen.as_secs_f64() * 1e3);
            })
            .await?;
        let error = match outcome {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if turned(context).await? {
            return Ok(());
        }
        if !error.is_retryable() {
            return Err(error);
        }
        if attempts >= context.config().operations.switch_attempts {
            let last = error.to_control();
            return Err(Refusal::NotHeldUp { last }.into());
        }
        context
            .phase(format!(
                "activate: attempt {attempts} did not make it: {error}"
            ))
            .await?;
        sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Freezes and activates in one transaction: another session's lock would queue behind the writers that wait for it.
async fn frozen(
    context: &Context,
    source: &NodeAddress,
    streams: &[Stream],
) -> (Duration, Result<()>) {
    let budget = Duration::from_millis(context.config().operations.max_write_freeze_ms);
    let names: Vec<String> = streams.iter().map(|stream| stream.name.clone()).collect();
    let leased = async {
        let source = context.executor().lease(source, SWITCH).await?;
        let binder = context
            .executor()
            .lease(context.local(), SWITCH.in_cluster())
            .await?;
        binder.keep_to_yourself();
        let mut targets = Vec::new();
        for stream in streams {
            targets.push(context.executor().lease(&stream.target, SWITCH).await?);
        }
        Ok::<_, Error>((source, binder, targets))
    };
    let (source, binder, targets) = match leased.await {
        Ok(leased) => leased,
        Err(error) => return (Duration::ZERO, Err(error)),
    };
    let started = Instant::now();
    let deadline = started + budget;
    let left = || {
        deadline
            .saturating_duration_since(Instant::now())
            .max(Duration::from_millis(1))
    };
    let outcome = async {
        let freeze = format!(
            "BEGIN; {} SELECT expanse.hold_writers({REPLICATED})",
            limits(budget)
        );
        binder.batch("freeze writes", &freeze, budget).await?;
        undecided(&source, budget).await?;
        let targets: Vec<&Session> = targets.iter().map(|target| &**target).collect();
        drain(&source, &targets, &names, deadline).await?;
        context.still_leads()?;
        let activate = format!("{} {}", limits(left()), activation(context)?);
        binder
            .batch("activate the nodes", &activate, left())
            .await?;
        binder
            .batch("commit the activation", "COMMIT", COMMIT_LIMIT)
            .await?;
        Ok(())
    }
    .await;
    if outcome.is_err() {
        // A server that does not answer ends the transaction by itself.
        let _ = binder
            .batch("undo an activation", "ROLLBACK", Duration::from_secs(1))
            .await;
    }
    (started.elapsed(), outcome)
}

/// A write whose coordinator has died between preparing and ending it holds no group lock, and is not in the stream yet.
///
/// # Errors
/// [`Refusal::WritePrepared`] while there is one.
async fn undecided(source: &Session, limit: Duration) -> Result<()> {
    const SQL: &str =
        "SELECT EXISTS (SELECT FROM pg_locks l JOIN expanse.distributed_table t ON t.relation::oid = l.relation \
        WHERE l.pid IS NULL AND t.group_id = $1)";
    if source
        .value("look for prepared writes", SQL, &[&REPLICATED], limit)
        .await?
    {
        return Err(Refusal::WritePrepared.into());
    }
    Ok(())
}

/// Held inside the node: the transaction ends when its sidecar has gone away.
fn limits(left: Duration) -> String {
    format!(
        "SET LOCAL statement_timeout = {ms}; SET LOCAL idle_in_transaction_session_timeout = {ms};",
        ms = left.as_millis().max(1)
    )
}

fn activation(context: &Context) -> Result<String> {
    let names: Vec<String> = names(context)?.iter().map(|name| literal(name)).collect();
    Ok(format!(
        "SELECT expanse.activate_nodes(ARRAY[{}], {})",
        names.join(", "),
        literal(context.parameters::<Expand>()?.layout())
    ))
}

async fn activate(context: &Context, limit: Duration) -> Result<()> {
    context
        .executor()
        .transact(
            context.local(),
            SWITCH.in_cluster(),
            limit,
            &activation(context)?,
            &[],
        )
        .await?;
    Ok(())
}

fn names(context: &Context) -> Result<Vec<String>> {
    let nodes = newcomers(context)?.into_iter();
    Ok(nodes.map(|node| node.node_name).collect())
}

/// Whether the nodes are active: all of them are made so at once.
///
/// # Errors
/// [`Error::Refused`] while a transaction that may decide it is still prepared; errors of the nodes.
pub async fn turned(context: &Context) -> Result<bool> {
    const SQL: &str = "SELECT EXISTS (SELECT FROM expanse.node WHERE node_name = ANY ($1::text[]) AND state = 'active'), \
        EXISTS (SELECT FROM pg_locks WHERE relation = 'expanse.node'::regclass AND pid IS NULL \
        AND mode = 'RowExclusiveLock')";
    let names = names(context)?;
    let mut undecided = None;
    for node in context.nodes().await?.iter().filter(|node| node.active()) {
        let rows = context
            .executor()
            .query(
                &node.address,
                maintenance("look for the nodes"),
                SQL,
                &[&names],
            )
            .await?;
        let row = rows.first().expect("a SELECT without FROM has one row");
        if row.get(0) {
            return Ok(true);
        }
        if row.get(1) {
            undecided = Some(node.name().to_owned());
        }
    }
    match undecided {
        None => Ok(false),
        Some(node) => {
            let step = "activation";
            Err(kinds::refusal::Refusal::InDoubt { node, step }.into())
        }
    }
}
