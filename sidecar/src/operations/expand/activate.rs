//! The moment from which the new node counts.
//!
//! Where there are replicated tables, writes to them wait while the last changes reach the new
//! node; the limit of that wait is held inside the nodes ([`freeze`](super::super::freeze)).

use std::time::Duration;

use tokio::time::{sleep, Instant};

use super::super::context::{maintenance, Context};
use super::super::error::{refused, Error, Result};
use super::super::freeze::Holds;
use super::super::replication::{drain, Stream};
use super::replicated::stream;
use crate::executor::{Command, Weight};
use crate::metrics;

/// Group of the replicated tables.
const REPLICATED: i32 = 0;
const SWITCH: Command = Command::new("activate the node", Weight::Critical);
const ACTIVATION_LIMIT: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// # Errors
/// [`Error::Cancelled`] between two attempts; errors that repeating does not mend.
pub async fn run(context: &Context) -> Result<()> {
    let stream = stream(context).await?;
    let mut pause = Duration::from_millis(100);
    loop {
        if context.cancelled().is_cancelled() {
            return Err(Error::Cancelled);
        }
        let (frozen, outcome) = {
            let _alone = context.exclusive().lock().await;
            match &stream {
                None => (Duration::ZERO, activate(context, ACTIVATION_LIMIT).await),
                Some(stream) => frozen(context, stream).await,
            }
        };
        if stream.is_some() {
            metrics::observe_freeze("expand", outcome.is_ok(), frozen);
        }
        let attempts = context.entry().switch_attempts + 1;
        context
            .change(|entry| {
                entry.switch_attempts = attempts;
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
            return Err(refused(
                "XP124",
                format!("writes to replicated tables could not be held up: {error}"),
                "Repeat the expansion at a quieter time.",
            ));
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

async fn frozen(context: &Context, stream: &Stream) -> (Duration, Result<()>) {
    let budget = Duration::from_millis(context.config().operations.max_write_freeze_ms);
    let prepared = async {
        let nodes: Vec<_> = context
            .nodes()
            .await?
            .into_iter()
            .filter(|n| n.active())
            .collect();
        let source = context.executor().lease(&stream.source, SWITCH).await?;
        let holds = Holds::prepare(context, &nodes, REPLICATED, budget).await?;
        Ok::<_, Error>((source, holds))
    };
    let (source, holds) = match prepared.await {
        Ok(prepared) => prepared,
        Err(error) => return (Duration::ZERO, Err(error)),
    };
    let started = Instant::now();
    let outcome = async {
        let frozen = holds.freeze(budget).await?;
        drain(&source, std::slice::from_ref(&stream.name), frozen.deadline).await?;
        frozen.verify().await?;
        activate(context, frozen.left().max(Duration::from_millis(1))).await
    }
    .await;
    holds.release().await;
    (started.elapsed(), outcome)
}

async fn activate(context: &Context, limit: Duration) -> Result<()> {
    let layout: String = context
        .parameter("layout")
        .unwrap_or_else(|| "minimal".into());
    let name = context.target();
    context
        .executor()
        .transact(
            context.local(),
            SWITCH.in_cluster(),
            limit,
            "SELECT expanse.activate_node($1, $2)",
            &[&name, &layout],
        )
        .await?;
    Ok(())
}

/// Whether the node is active.
///
/// # Errors
/// Those of the nodes.
pub async fn turned(context: &Context) -> Result<bool> {
    const SQL: &str =
        "SELECT EXISTS (SELECT FROM expanse.node WHERE node_name = $1::text AND state = 'active')";
    let name = context.target();
    for node in context.nodes().await?.iter().filter(|node| node.active()) {
        let active: bool = context
            .executor()
            .value(
                &node.address,
                maintenance("look for the node"),
                SQL,
                &[&name],
            )
            .await?;
        if active {
            return Ok(true);
        }
    }
    Ok(false)
}
