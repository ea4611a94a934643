//! One freeze: writes wait, the streams are drained, and the binding flips on all nodes at once.
//!
//! Everything that can be made ready is made ready before. One session, the binder, holds the group locks of
//! all nodes in the transaction that binds later: another session's lock would queue behind the writers
//! that wait for these. `expanse.freeze_group` gives every session that holds a group lock, on its own node, the
//! time that is left before that server ends it; so the freeze lifts by itself when this sidecar
//! stops or is cut off. An attempt that does not make it is repeated later
//! ([`super::attempts`]).

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{try_join, try_join_all};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout, Instant};

use super::reverse;
use crate::executor::{Command, Leased, Weight};
use crate::kinds::rebind::plan::route::{senders, Purpose};
use crate::kinds::rebind::plan::MovePlan;
use crate::kinds::rebind::refusal::Refusal;
use crate::kinds::rebind::verify::{HeldSnapshots, Snapshots};
use crate::operations::error::{Error, Result};
use crate::operations::{maintenance, Context};
use crate::postgres::{literal, Session};
use crate::streams::drain;

const SWITCH: Command = Command::new("switch", Weight::Critical);
const PREPARATION: Duration = Duration::from_secs(10);
/// The outcome of a commit that takes longer is read back.
const COMMIT_LIMIT: Duration = Duration::from_secs(10);

/// A node that sends streams, and who gets them.
struct Sender {
    session: Leased,
    streams: Vec<String>,
    receivers: Vec<String>,
}

/// What an attempt works with.
struct Prepared {
    senders: Vec<Sender>,
    /// By name.
    receivers: BTreeMap<String, Leased>,
    binder: Leased,
    snapshots: Option<Snapshots>,
}

/// When the stages of a freeze were reached.
pub struct Stages {
    started: Instant,
    reached: Mutex<Vec<(String, f64)>>,
}

impl Stages {
    fn begin() -> Self {
        Self {
            started: Instant::now(),
            reached: Mutex::default(),
        }
    }

    fn reach(&self, name: &str) {
        let ms = self.started.elapsed().as_secs_f64() * 1e3;
        let ms = (ms * 10.0).round() / 10.0;
        self.reached.lock().push((name.to_owned(), ms));
    }

    /// Each with the milliseconds from the beginning.
    pub fn reached(self) -> Vec<(String, f64)> {
        self.reached.into_inner()
    }
}

/// How long writes were held up, with its stages, and how it ended.
pub async fn attempt(
    context: &Context,
    plan: &MovePlan,
    purpose: Purpose,
    budget: Duration,
) -> (Duration, Stages, Result<()>) {
    let prepared = match prepare(context, plan, purpose).await {
        Ok(prepared) => prepared,
        Err(error) => return (Duration::ZERO, Stages::begin(), Err(error)),
    };
    let stages = Stages::begin();
    let started = stages.started;
    let outcome = held(context, plan, purpose, &prepared, started + budget, &stages).await;
    if outcome.is_err() || purpose.binds_to(plan).is_none() {
        let _ = prepared
            .binder
            .batch("end a freeze", "ROLLBACK", Duration::from_secs(1))
            .await;
    }
    let frozen = started.elapsed();
    if outcome.is_ok() {
        context
            .kept::<HeldSnapshots>()
            .hold(prepared.snapshots)
            .await;
    }
    (frozen, stages, outcome)
}

async fn prepare(context: &Context, plan: &MovePlan, purpose: Purpose) -> Result<Prepared> {
    let direction = purpose.drains();
    let (mut sending, mut receivers) = (Vec::new(), BTreeMap::new());
    for (node, streams) in senders(context, plan, direction).await? {
        let session = context.executor().lease(&node.address, SWITCH).await?;
        // Fills the caches that the freeze needs.
        busy_writers(&session, plan, PREPARATION).await?;
        let own = plan
            .pairs
            .iter()
            .filter(|p| direction.sender(p) == node.name());
        let own: Vec<String> = own.map(|p| direction.receiver(p).to_owned()).collect();
        for name in &own {
            if !receivers.contains_key(name) {
                let receiver = context.node(name).await?;
                let session = context.executor().lease(&receiver.address, SWITCH).await?;
                receivers.insert(name.clone(), session);
            }
        }
        sending.push(Sender {
            session,
            streams,
            receivers: own,
        });
    }
    let snapshots = match purpose.compares() && !plan.pairs.is_empty() {
        true => Some(Snapshots::prepare(context, plan).await?),
        false => None,
    };
    let binder = open_binder(context, plan).await?;
    refuse_behind_others(context, plan, purpose).await?;
    Ok(Prepared {
        senders: sending,
        receivers,
        binder,
        snapshots,
    })
}

/// From the first lock to the commit.
async fn held(
    context: &Context,
    plan: &MovePlan,
    purpose: Purpose,
    prepared: &Prepared,
    deadline: Instant,
    stages: &Stages,
) -> Result<()> {
    freeze(context, plan, purpose, &prepared.binder, deadline).await?;
    stages.reach("locked");
    drain_all(plan, prepared, deadline).await?;
    stages.reach("drained");
    let seen = see(context, purpose, prepared, deadline);
    let Some(version) = purpose.binds_to(plan) else {
        seen.await?;
        stages.reach("seen");
        return Ok(());
    };
    let binding = Binding {
        version,
        column: purpose.binds_by(plan),
    };
    // No session sees the new binding before the commit, so both can be done at once.
    try_join(
        seen,
        bind(context, plan, &prepared.binder, binding, deadline),
    )
    .await?;
    stages.reach("bound");
    context.still_leads()?;
    prepared
        .binder
        .batch("commit the switch", "COMMIT", COMMIT_LIMIT)
        .await?;
    stages.reach("committed");
    Ok(())
}

/// Takes the snapshots that are compared later. Where reverse streams begin is in the journal before the commit.
async fn see(
    context: &Context,
    purpose: Purpose,
    prepared: &Prepared,
    deadline: Instant,
) -> Result<()> {
    let Some(snapshots) = &prepared.snapshots else {
        return Ok(());
    };
    let marks = snapshots.take(left(deadline)).await?;
    if purpose == Purpose::Switch {
        let noted = timeout(left(deadline), reverse::note_start(context, marks));
        noted.await.map_err(|_| late("the journal"))??;
    }
    Ok(())
}

fn left(deadline: Instant) -> Duration {
    deadline
        .saturating_duration_since(Instant::now())
        .max(Duration::from_millis(1))
}

/// Takes the group locks of all nodes.
async fn freeze(
    context: &Context,
    plan: &MovePlan,
    purpose: Purpose,
    binder: &Leased,
    deadline: Instant,
) -> Result<()> {
    let limit = left(deadline);
    let lock = Duration::from_millis(context.config().operations.lock_timeout_ms).min(limit);
    let begin = format!(
        "BEGIN; SET LOCAL lock_timeout = {}; SELECT expanse.freeze_group({}, {}, {}, {})",
        lock.as_millis().max(1),
        plan.group_id,
        purpose.begins_with(plan),
        limit.as_millis().max(1),
        purpose.stops_readers(plan),
    );
    binder.batch("freeze writes", &begin, limit).await?;
    Ok(())
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

/// A transaction that writes the group for longer than a lock may be waited for would make every later writer
/// queue behind us: so nothing is locked while there is one.
async fn refuse_behind_others(context: &Context, plan: &MovePlan, purpose: Purpose) -> Result<()> {
    const SQL: &str = "SELECT coalesce(format('process %s', l.pid), 'a prepared transaction'), \
        coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8 \
        FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
        WHERE l.locktype = 'relation' AND l.granted AND l.relation = $1::text::regclass \
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
        AND (l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'ShareLock') OR $3) \
        AND (l.pid IS NULL OR a.xact_start < clock_timestamp() - $2::int8 * interval '1 ms') LIMIT 1";
    let group_lock = format!("expanse.gate_{}", plan.group_id);
    let patience = context.config().operations.lock_timeout_ms as i64;
    for node in context.nodes().await?.iter().filter(|node| node.active()) {
        let rows = context
            .executor()
            .query(
                &node.address,
                maintenance("look for long writers"),
                SQL,
                &[&group_lock, &patience, &purpose.stops_readers(plan)],
            )
            .await?;
        if let Some(row) = rows.first() {
            return Err(Refusal::LongTransaction {
                who: row.get(0),
                node: node.name().to_owned(),
                seconds: row.get(1),
            }
            .into());
        }
    }
    Ok(())
}

/// Waits until no transaction writes the group's fragments on any sender, then until the streams
/// have brought everything over.
async fn drain_all(plan: &MovePlan, prepared: &Prepared, deadline: Instant) -> Result<()> {
    let draining = prepared.senders.iter().map(|sender| async move {
        let session = &sender.session;
        while busy_writers(session, plan, left(deadline)).await? {
            if Instant::now() >= deadline {
                return Err(late(&format!(
                    "a transaction that writes on node \"{}\"",
                    session.node()
                )));
            }
            sleep(Duration::from_millis(3)).await;
        }
        let receivers = sender.receivers.iter();
        let receivers: Vec<&Session> = receivers.map(|r| &*prepared.receivers[r]).collect();
        drain(session, &receivers, &sender.streams, deadline).await
    });
    try_join_all(draining).await?;
    Ok(())
}

fn late(what: &str) -> Error {
    let what = what.to_owned();
    Refusal::Late { what }.into()
}

/// Whether writes of the group are still open here: the remote half of a statement whose
/// coordinator is gone, or a prepared transaction. Their coordinator's group lock does not show them.
async fn busy_writers(session: &Leased, plan: &MovePlan, limit: Duration) -> Result<bool> {
    let literals: Vec<String> = plan.relations.iter().map(|r| literal(r)).collect();
    // Without parameters: one message there and one back.
    let sql = format!(
        "SELECT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'relation' AND l.granted \
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND l.relation = ANY (ARRAY[{relations}]::regclass[]::oid[]) \
         AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') \
         AND NOT EXISTS (SELECT FROM pg_stat_subscription s WHERE s.pid = l.pid) \
         AND NOT EXISTS (SELECT FROM pg_locks w WHERE w.pid = l.pid AND NOT w.granted \
             AND w.relation = 'expanse.gate_{group}'::regclass))",
        relations = literals.join(", "),
        group = plan.group_id,
    );
    Ok(session.value("look for writers", &sql, &[], limit).await?)
}

/// What the group is bound to by a switch.
struct Binding<'a> {
    version: i32,
    column: Option<&'a str>,
}

async fn bind(
    context: &Context,
    plan: &MovePlan,
    binder: &Leased,
    binding: Binding<'_>,
    deadline: Instant,
) -> Result<()> {
    context.still_leads()?;
    let column = binding.column.map_or("NULL".into(), literal);
    let bind = format!(
        "SELECT expanse.bind_group({}, {}, {column})",
        plan.group_id, binding.version
    );
    binder
        .batch("bind the group", &bind, left(deadline))
        .await?;
    Ok(())
}
