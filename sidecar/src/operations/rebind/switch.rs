//! The switch: writes wait, the streams are drained, the binding flips on all nodes at once.
//!
//! Everything that can be made ready is made ready before the freeze. The freeze has a hard limit,
//! held inside the nodes ([`freeze`](super::super::freeze)); an attempt that does not make it lifts
//! it and is repeated later. Once `bind_group` has returned, its own locks keep writers waiting,
//! so only what happened until then depends on the holds; they are checked once more before the
//! commit.

use std::collections::BTreeMap;
use std::time::Duration;

use expanse_core::wire::ControlError;
use futures_util::future::try_join_all;
use tokio::time::{sleep, Instant};

use super::super::context::{maintenance, Context};
use super::super::error::{refused, Error, Result};
use super::super::freeze::{Frozen, Holds};
use super::super::replication::drain;
use super::plan::MovePlan;
use super::progress::catch_up;
use crate::executor::{Command, Leased, Weight};
use crate::metrics;

const SWITCH: Command = Command::new("switch", Weight::Critical);
const PREPARATION: Duration = Duration::from_secs(10);
/// The outcome of a commit that takes longer is read back.
const COMMIT_LIMIT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// # Errors
/// [`Error::Cancelled`] between two attempts; errors that repeating does not mend.
pub async fn run(context: &Context) -> Result<()> {
    let plan = MovePlan::of(context)?;
    let budget = budget(context);
    let mut pause = FIRST_PAUSE;
    loop {
        if context.cancelled().is_cancelled() {
            return Err(Error::Cancelled);
        }
        let (frozen, outcome) = {
            let _alone = context.exclusive().lock().await;
            attempt(context, &plan, budget).await
        };
        metrics::observe_freeze("rebind", outcome.is_ok(), frozen);
        let attempts = context.entry().switch_attempts + 1;
        let frozen_ms = frozen.as_secs_f64() * 1e3;
        tracing::info!(
            operation = context.id(),
            attempt = attempts,
            frozen_ms,
            outcome = outcome.as_ref().err().map(ToString::to_string),
            "switch attempted"
        );
        context
            .change(|entry| {
                entry.switch_attempts = attempts;
                let operation = &mut entry.operation;
                operation.writes_waited_ms = operation.writes_waited_ms.max(frozen_ms);
                operation.phase = "switch".into();
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
                format!(
                    "writes could not be held up for as little as {} ms: {error}",
                    budget.as_millis()
                ),
                "Repeat the rebind at a quieter time or with a longer max_write_freeze.",
            ));
        }
        context
            .phase(format!(
                "switch: attempt {attempts} did not make it: {error}"
            ))
            .await?;
        sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        tokio::select! {
            () = context.cancelled().cancelled() => return Err(Error::Cancelled),
            outcome = catch_up(context) => outcome?,
        }
    }
}

fn budget(context: &Context) -> Duration {
    let default = context.config().operations.max_write_freeze_ms as f64;
    let ms = context
        .parameter::<f64>("max_write_freeze_ms")
        .unwrap_or(default);
    Duration::from_secs_f64(ms.clamp(10.0, 60_000.0) / 1e3)
}

/// How long writes were held up, and how it ended.
async fn attempt(context: &Context, plan: &MovePlan, budget: Duration) -> (Duration, Result<()>) {
    let prepared = async {
        let sources = lease_sources(context, plan).await?;
        let binder = open_binder(context, plan).await?;
        // The binder itself holds the gates: another session's lock would queue behind the writers
        // that wait for these.
        let holds = Holds::prepare(context, &[], plan.group_id, budget).await?;
        Ok::<_, Error>((sources, binder, holds))
    };
    let (sources, binder, holds) = match prepared.await {
        Ok(prepared) => prepared,
        Err(error) => return (Duration::ZERO, Err(error)),
    };
    let started = Instant::now();
    let outcome = async {
        let frozen = holds.freeze(budget).await?;
        freeze(plan, &binder, budget).await?;
        drain_all(plan, &sources, &frozen).await?;
        flip(context, plan, &binder, &frozen).await
    }
    .await;
    if outcome.is_err() {
        let _ = binder
            .batch("undo a switch", "ROLLBACK", Duration::from_secs(1))
            .await;
    }
    holds.release().await;
    (started.elapsed(), outcome)
}

/// Takes the gates of all nodes in the transaction that binds later: binding to the version that is bound
/// changes nothing and locks. The server ends it if it is left alone for longer than `budget`.
async fn freeze(plan: &MovePlan, binder: &Leased, budget: Duration) -> Result<()> {
    let begin = format!(
        "BEGIN; SET LOCAL statement_timeout = {ms}; \
         SET LOCAL idle_in_transaction_session_timeout = {ms}; SELECT expanse.bind_group({}, {})",
        plan.group_id,
        plan.from_version,
        ms = budget.as_millis().max(1),
    );
    binder.batch("freeze writes", &begin, budget).await?;
    Ok(())
}

/// A session on each source, and the names of the streams that leave it.
async fn lease_sources(context: &Context, plan: &MovePlan) -> Result<Vec<(Leased, Vec<String>)>> {
    let nodes = context.nodes().await?;
    let mut names: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for pair in &plan.pairs {
        let find = |name: &str| nodes.iter().find(|node| node.name() == name);
        if let (Some(source), Some(target)) = (find(&pair.source), find(&pair.target)) {
            let name = MovePlan::stream_name(context.id(), source, target);
            names.entry(source.node_id).or_default().push(name);
        }
    }
    let mut sources = Vec::new();
    for node in &nodes {
        if let Some(names) = names.remove(&node.node_id) {
            let session = context.executor().lease(&node.address, SWITCH).await?;
            // Prepares what the freeze will ask, so that planning it costs nothing then.
            busy_writers(&session, plan, PREPARATION).await?;
            sources.push((session, names));
        }
    }
    Ok(sources)
}

/// The session that flips the binding, with its connections to the other nodes open.
async fn open_binder(context: &Context, plan: &MovePlan) -> Result<Leased> {
    let session = context
        .executor()
        .lease(context.local(), SWITCH.in_cluster())
        .await?;
    session.keep_to_yourself();
    // Changes nothing any more; connects to every node.
    session
        .query(
            "begin the move",
            "SELECT expanse.begin_move($1, $2)",
            &[&plan.group_id, &plan.to_version],
            PREPARATION,
        )
        .await?;
    Ok(session)
}

/// Waits until no transaction writes the group's fragments on any source, then until the streams
/// have brought everything over.
async fn drain_all(
    plan: &MovePlan,
    sources: &[(Leased, Vec<String>)],
    frozen: &Frozen<'_>,
) -> Result<()> {
    let draining = sources.iter().map(|(session, names)| async move {
        while busy_writers(session, plan, frozen.left().max(Duration::from_millis(1))).await? {
            if frozen.left().is_zero() {
                return Err(not_drained(session.node()));
            }
            sleep(Duration::from_millis(3)).await;
        }
        drain(session, names, frozen.deadline).await
    });
    try_join_all(draining).await?;
    Ok(())
}

fn not_drained(node: &str) -> Error {
    Error::NotYet(ControlError::new(
        "XP125",
        format!("a transaction still writes on node \"{node}\""),
    ))
}

/// Whether somebody still has writes of the group open here: the remote half of a statement whose
/// coordinator is gone, or a prepared transaction. Their coordinator's gate does not show them.
async fn busy_writers(session: &Leased, plan: &MovePlan, limit: Duration) -> Result<bool> {
    const SQL: &str = "SELECT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'relation' AND l.granted \
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
        AND l.relation = ANY (SELECT r::regclass::oid FROM unnest($1::text[]) AS r) \
        AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') \
        AND NOT EXISTS (SELECT FROM pg_stat_subscription s WHERE s.pid = l.pid) \
        AND NOT EXISTS (SELECT FROM pg_locks w WHERE w.pid = l.pid AND NOT w.granted \
            AND w.relation = $2::text::regclass))";
    let gate = format!("expanse.gate_{}", plan.group_id);
    Ok(session
        .value("look for writers", SQL, &[&plan.relations, &gate], limit)
        .await?)
}

async fn flip(
    context: &Context,
    plan: &MovePlan,
    binder: &Leased,
    frozen: &Frozen<'_>,
) -> Result<()> {
    context.still_leads()?;
    let limit = frozen.left().max(Duration::from_millis(1));
    let bind = format!(
        "SET LOCAL lock_timeout = {ms}; SET LOCAL statement_timeout = {ms}; \
         SET LOCAL idle_in_transaction_session_timeout = {ms}; SELECT expanse.bind_group({}, {})",
        plan.group_id,
        plan.to_version,
        ms = limit.as_millis().max(1),
    );
    binder.batch("bind the group", &bind, limit).await?;
    frozen.verify().await?;
    binder
        .batch("commit the switch", "COMMIT", COMMIT_LIMIT)
        .await?;
    Ok(())
}

/// Whether the group is bound to the new version.
///
/// # Errors
/// [`Error::NotYet`] while a transaction that may decide it is still prepared somewhere; errors of
/// the nodes.
pub async fn turned(context: &Context) -> Result<bool> {
    const SQL: &str = "SELECT (SELECT hash_map_version FROM expanse.colocation_group WHERE group_id = $1), \
        EXISTS (SELECT FROM pg_locks WHERE relation = 'expanse.colocation_group'::regclass AND pid IS NULL \
        AND mode = 'RowExclusiveLock')";
    let plan = MovePlan::of(context)?;
    let mut undecided = None;
    for node in context.nodes().await?.iter().filter(|node| node.active()) {
        let rows = context
            .executor()
            .query(
                &node.address,
                maintenance("read the binding"),
                SQL,
                &[&plan.group_id],
            )
            .await?;
        let row = rows.first().expect("a SELECT without FROM has one row");
        if row.get::<_, Option<i32>>(0) == Some(plan.to_version) {
            return Ok(true);
        }
        if row.get::<_, bool>(1) {
            undecided = Some(node.name().to_owned());
        }
    }
    match undecided {
        None => Ok(false),
        Some(node) => Err(Error::NotYet(ControlError::new(
            "XP126",
            format!("a prepared transaction on node \"{node}\" may be the switch"),
        ))),
    }
}
