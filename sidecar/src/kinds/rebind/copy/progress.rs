//! How far the copy is, and whether a switch is worth trying.

use std::collections::HashMap;

use super::pace::Pacer;
use super::rate::Rate;
use super::Starter;
use crate::kinds::rebind::plan::route::{senders, Direction};
use crate::kinds::rebind::plan::{MovePlan, Share};
use crate::operations::{maintenance, Context, Reason, Result};
use crate::streams::Refusal;
use tokio::time::Instant;

/// A stream that is this far behind, in bytes of write-ahead log, is close enough for a switch.
const CLOSE_ENOUGH: i64 = 256 * 1024;

/// One table of one stream as its target sees it.
#[derive(Debug, Clone)]
pub struct TableState {
    pub stream: String,
    pub relation: String,
    /// `pg_subscription_rel.srsubstate`.
    pub state: String,
    pub rows: f64,
    pub bytes: f64,
}

impl TableState {
    pub fn copied(&self) -> bool {
        matches!(self.state.as_str(), "f" | "s" | "r")
    }

    fn ready(&self) -> bool {
        self.state == "r"
    }
}

/// The step: the copy is over and the streams are close behind.
///
/// # Errors
/// Those of the nodes.
pub async fn copied(context: &Context) -> Result<()> {
    let plan = MovePlan::of(context)?;
    let starter = Starter::new(context, &plan).await?;
    follow(context, &plan, Direction::Forward, Some(starter)).await
}

/// Waits until every table of every stream of that direction is copied and the streams are close behind.
///
/// # Errors
/// Those of the nodes.
pub async fn catch_up(context: &Context, plan: &MovePlan, direction: Direction) -> Result<()> {
    follow(context, plan, direction, None).await
}

async fn follow(
    context: &Context,
    plan: &MovePlan,
    direction: Direction,
    mut starter: Option<Starter<'_>>,
) -> Result<()> {
    let started = Instant::now();
    let mut rate = Rate::default();
    let mut pacer = Pacer::new(context)?;
    loop {
        let states = table_states(context, plan, direction).await?;
        if let Some(starter) = &mut starter {
            starter.go_on(&states).await?;
        }
        let expected = plan.pairs.len() * plan.relations.len();
        let ready = states.iter().filter(|s| s.ready()).count() >= expected;
        if direction == Direction::Forward {
            let copied = states.iter().filter(|s| s.copied()).count() >= expected;
            let done = done(&plan.shares, &states);
            rate.note(started.elapsed(), done.1);
            show(context, copied, done, &rate).await?;
            if !copied {
                let measured = rate.per_second();
                pacer.keep(context, plan, &states, measured).await?;
            }
        }
        if ready && behind(context, plan, direction).await? <= CLOSE_ENOUGH {
            return Ok(());
        }
        show_errors(context, plan, direction).await?;
        context.poll_interval().await;
    }
}

async fn show(
    context: &Context,
    copied: bool,
    (rows, bytes): (f64, f64),
    rate: &Rate,
) -> Result<()> {
    context
        .report(|operation| {
            operation.phase = if copied { "catch_up" } else { "copy" }.to_owned();
            operation.rows_done = rows as i64;
            operation.bytes_done = bytes as i64;
            operation.bytes_per_second = rate.per_second().filter(|_| !copied);
            operation.seconds_left = match copied {
                true => Some(0.0),
                false => rate.seconds_left(operation.bytes_total as f64),
            };
        })
        .await
}

/// The nodes that get changes in that direction.
fn receivers(plan: &MovePlan, direction: Direction) -> Vec<&str> {
    match direction {
        Direction::Forward => plan.targets(),
        Direction::Back => plan.sources(),
    }
}

async fn table_states(
    context: &Context,
    plan: &MovePlan,
    direction: Direction,
) -> Result<Vec<TableState>> {
    const SQL: &str =
        "SELECT s.subname::text, format('%I.%I', n.nspname, c.relname), r.srsubstate::text, \
        coalesce(p.tuples_processed, 0)::float8, coalesce(p.bytes_processed, 0)::float8 \
        FROM pg_subscription s JOIN pg_subscription_rel r ON r.srsubid = s.oid \
        JOIN pg_class c ON c.oid = r.srrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
        LEFT JOIN pg_stat_subscription w ON w.subid = s.oid AND w.relid = r.srrelid \
        LEFT JOIN pg_stat_progress_copy p ON p.pid = w.pid \
        WHERE starts_with(s.subname::text, $1::text)";
    let prefix = direction.prefix(context.id());
    let mut states = Vec::new();
    for name in receivers(plan, direction) {
        let node = context.node(name).await?;
        let rows = context
            .executor()
            .query(
                &node.address,
                maintenance("watch the copy"),
                SQL,
                &[&prefix],
            )
            .await?;
        states.extend(rows.iter().map(|row| TableState {
            stream: row.get(0),
            relation: row.get(1),
            state: row.get(2),
            rows: row.get(3),
            bytes: row.get(4),
        }));
    }
    Ok(states)
}

/// Rows and bytes done: the whole share where the copy is over, what the copy says, but no more
/// than the share, where it is going on.
pub fn done(shares: &[Share], states: &[TableState]) -> (f64, f64) {
    let found: HashMap<_, _> = states
        .iter()
        .map(|s| ((s.stream.as_str(), s.relation.as_str()), s))
        .collect();
    shares.iter().fold((0.0, 0.0), |(rows, bytes), share| {
        match found.get(&(share.stream.as_str(), share.relation.as_str())) {
            Some(state) if state.copied() => (rows + share.rows, bytes + share.bytes),
            Some(state) => (
                rows + state.rows.min(share.rows),
                bytes + state.bytes.min(share.bytes),
            ),
            None => (rows, bytes),
        }
    })
}

/// How far the slowest stream is behind its sender, in bytes.
async fn behind(context: &Context, plan: &MovePlan, direction: Direction) -> Result<i64> {
    const SQL: &str = "SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), r.write_lsn)), 0)::int8, \
        count(*) FROM pg_stat_replication r WHERE r.application_name = ANY ($1::text[]) AND r.state = 'streaming'";
    let mut most = 0;
    for (node, names) in senders(context, plan, direction).await? {
        let rows = context
            .executor()
            .query(
                &node.address,
                maintenance("watch the streams"),
                SQL,
                &[&names],
            )
            .await?;
        let row = rows.first().expect("an aggregate has one row");
        if row.get::<_, i64>(1) < names.len() as i64 {
            return Ok(i64::MAX);
        }
        most = most.max(row.get::<_, i64>(0));
    }
    Ok(most)
}

/// A worker that fails is started again by PostgreSQL forever: say so.
async fn show_errors(context: &Context, plan: &MovePlan, direction: Direction) -> Result<()> {
    const SQL: &str = "SELECT subname::text, apply_error_count + sync_error_count \
        FROM pg_stat_subscription_stats WHERE starts_with(subname::text, $1::text) \
        AND apply_error_count + sync_error_count > 0 LIMIT 1";
    let prefix = direction.prefix(context.id());
    for target in receivers(plan, direction) {
        let node = context.node(target).await?;
        let rows = context
            .executor()
            .query(
                &node.address,
                maintenance("watch for errors"),
                SQL,
                &[&prefix],
            )
            .await?;
        let Some(row) = rows.first() else { continue };
        let (stream, failures): (String, i64) = (row.get(0), row.get(1));
        let failing = Refusal::Failing {
            stream,
            failures,
            node: target.to_owned(),
        };
        if failures >= 10 {
            return Err(failing.into());
        }
        context
            .report(|operation| operation.error = Some(failing.to_control()))
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_never_exceeds_the_plan() {
        let share = |stream: &str, rows| Share {
            stream: stream.into(),
            relation: "public.t".into(),
            rows,
            bytes: rows * 10.0,
            target: "n2".into(),
            room: rows * 20.0,
        };
        let state = |stream: &str, state: &str, rows| TableState {
            stream: stream.into(),
            relation: "public.t".into(),
            state: state.into(),
            rows,
            bytes: rows * 100.0,
        };
        let shares = [share("a", 100.0), share("b", 50.0), share("c", 7.0)];
        let states = [state("a", "d", 40.0), state("b", "r", 0.0)];
        assert_eq!(done(&shares, &states), (90.0, 1500.0));
        assert_eq!(done(&shares, &[]), (0.0, 0.0));
    }
}
