//! How fast a copy may be: no faster than was asked for, and slower while its nodes are busy.
//!
//! The limit is kept where the copy reads (`expanse.limit_copies` on each source, see `extension/src/rebind/pace.rs`), so
//! that no progress is lost. This side decides, again and again while the copy runs, and shares the limit out by what each
//! source still has to send, so that all end together.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::progress::{done, TableState};
use crate::kinds::rebind::plan::route::{senders, Direction};
use crate::kinds::rebind::plan::MovePlan;
use crate::kinds::rebind::state::Rebind;
use crate::operations::Result;
use crate::operations::{maintenance, Context};

/// From this load on a copy is slowed, from 0 to 1.
const BUSY: f64 = 0.9;
/// Up to this load it may become faster again.
const IDLE: f64 = 0.6;
const SLOWER: f64 = 0.7;
const FASTER: f64 = 1.5;
/// A limit that is so many times what is copied anyway limits nothing.
const WITHOUT_EFFECT: f64 = 3.0;
/// Loads are those of the last 10 seconds, so that more often would not say more.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// A server that was restarted has forgotten its limit.
const REPEAT_INTERVAL: Duration = Duration::from_secs(10);
/// No source gets less than this share of an even share: what it has to send is an estimate.
const LEAST_SHARE: f64 = 0.1;

/// The limit by load that follows `before`, when that much was copied a second (`measured`) under this load; never
/// less than `floor`. `None`: no limit.
pub fn by_load(before: Option<f64>, measured: Option<f64>, load: f64, floor: f64) -> Option<f64> {
    if floor <= 0.0 {
        return None;
    }
    if load >= BUSY {
        let now = match (before, measured) {
            (Some(before), Some(measured)) => before.min(measured),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return None,
        };
        return Some((now * SLOWER).max(floor));
    }
    if load <= IDLE {
        let raised = before? * FASTER;
        let useless = measured.is_some_and(|measured| raised > measured * WITHOUT_EFFECT);
        return (!useless).then_some(raised);
    }
    before
}

/// `limit` shared out by what each source still has to send, in bytes.
pub fn share_out(limit: f64, left: &BTreeMap<String, f64>) -> BTreeMap<String, i64> {
    let least = left.values().sum::<f64>() / left.len().max(1) as f64 * LEAST_SHARE;
    let weight = |bytes: f64| bytes.max(least).max(1.0);
    let all: f64 = left.values().map(|bytes| weight(*bytes)).sum();
    let part = |bytes: f64| (limit * weight(bytes) / all).max(1.0) as i64;
    left.iter()
        .map(|(source, bytes)| (source.clone(), part(*bytes)))
        .collect()
}

/// Keeps the limit of one copy up to date.
pub struct Pacer {
    asked_for: Option<f64>,
    by_load: Option<f64>,
    looked_at: Option<Instant>,
    told: Option<(BTreeMap<String, i64>, Instant)>,
}

impl Pacer {
    /// # Errors
    /// [`Error::Damaged`](crate::operations::Error::Damaged).
    pub fn new(context: &Context) -> Result<Self> {
        let limits = context.parameters::<Rebind>()?.limits;
        Ok(Self {
            asked_for: limits.max_rate.map(|rate| rate as f64),
            by_load: None,
            looked_at: None,
            told: None,
        })
    }

    /// Decides anew if it is time to, and tells the sources; `measured` are the bytes copied a second lately.
    ///
    /// # Errors
    /// Those of the nodes.
    pub async fn keep(
        &mut self,
        context: &Context,
        plan: &MovePlan,
        states: &[TableState],
        measured: Option<f64>,
    ) -> Result<()> {
        if self
            .looked_at
            .is_some_and(|at| at.elapsed() < LOOK_INTERVAL)
        {
            return Ok(());
        }
        self.looked_at = Some(Instant::now());
        let floor = context.config().operations.copy_rate_under_load as f64;
        let nodes = plan.sources().into_iter().chain(plan.targets());
        let load = nodes.map(|node| context.executor().load(node));
        self.by_load = by_load(self.by_load, measured, load.fold(0.0, f64::max), floor);
        let limit = match (self.asked_for, self.by_load) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let Some(limit) = limit else {
            return match self.told.take() {
                Some(_) => lift(context, plan).await,
                None => Ok(()),
            };
        };
        let wanted = share_out(limit, &left(context, plan, states).await?);
        if self.told.as_ref().is_some_and(|(told, at)| {
            at.elapsed() < REPEAT_INTERVAL
                && told.iter().all(|(s, rate)| near(*rate, wanted.get(s)))
        }) {
            return Ok(());
        }
        for (source, rate) in &wanted {
            tell(context, plan, source, Some(*rate)).await?;
        }
        tracing::info!(
            operation = context.id(),
            bytes_per_second = limit as i64,
            "copy limited"
        );
        self.told = Some((wanted, Instant::now()));
        Ok(())
    }
}

fn near(told: i64, wanted: Option<&i64>) -> bool {
    wanted.is_some_and(|wanted| (told - wanted).abs() as f64 <= told as f64 * 0.1)
}

/// Bytes that each source still has to send, by the plan.
async fn left(
    context: &Context,
    plan: &MovePlan,
    states: &[TableState],
) -> Result<BTreeMap<String, f64>> {
    let of_stream = |name: &String| {
        let shares: Vec<_> = plan
            .shares
            .iter()
            .filter(|s| s.stream == *name)
            .cloned()
            .collect();
        let all: f64 = shares.iter().map(|share| share.bytes).sum();
        all - done(&shares, states).1
    };
    Ok(senders(context, plan, Direction::Forward)
        .await?
        .into_iter()
        .map(|(node, names)| (node.name().to_owned(), names.iter().map(of_stream).sum()))
        .collect())
}

/// Takes all limits of the group away.
///
/// # Errors
/// Those of the nodes.
pub async fn lift(context: &Context, plan: &MovePlan) -> Result<()> {
    for source in plan.sources() {
        tell(context, plan, source, None).await?;
    }
    Ok(())
}

async fn tell(context: &Context, plan: &MovePlan, source: &str, rate: Option<i64>) -> Result<()> {
    let nodes = context.nodes().await?;
    // One that has left the cluster for good sends nothing.
    let Some(node) = nodes.iter().find(|n| n.name() == source && !n.leaving()) else {
        return Ok(());
    };
    let command = maintenance("limit the copies").in_cluster();
    const SQL: &str = "SELECT expanse.limit_copies($1, $2)";
    let executor = context.executor();
    executor
        .query(&node.address, command, SQL, &[&plan.group_id, &rate])
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_gives_way_to_load_and_comes_back() {
        const MB: f64 = 1e6;
        let floor = 16.0 * MB;
        assert_eq!(by_load(None, Some(100.0 * MB), 0.5, floor), None);
        let mut limit = by_load(None, Some(100.0 * MB), 1.0, floor);
        assert_eq!(limit, Some(100.0 * MB * SLOWER));
        for _ in 0..20 {
            limit = by_load(limit, limit, 0.95, floor);
        }
        assert_eq!(limit, Some(floor));
        assert_eq!(by_load(limit, limit, 0.8, floor), limit);
        for _ in 0..20 {
            // The limit rises beyond what the machine can copy.
            limit = by_load(limit, limit.map(|l| l.min(120.0 * MB)), 0.3, floor);
        }
        assert_eq!(limit, None);
        assert_eq!(by_load(None, Some(MB), 1.0, 0.0), None);
        assert_eq!(by_load(None, None, 1.0, floor), None);
    }

    #[test]
    fn sources_get_what_they_need_to_end_together() {
        let left = |a: f64, b: f64| BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]);
        let shared = share_out(100.0, &left(300.0, 100.0));
        assert_eq!((shared["a"], shared["b"]), (75, 25));
        let shared = share_out(1000.0, &left(100.0, 0.0));
        assert!(shared["b"] >= 40 && shared["a"] + shared["b"] <= 1000);
        let shared = share_out(1000.0, &left(0.0, 0.0));
        assert_eq!((shared["a"], shared["b"]), (500, 500));
    }
}
