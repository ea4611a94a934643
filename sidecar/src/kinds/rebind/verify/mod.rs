//! Are the new copies the same as the old ones?
//!
//! In the freeze of the switch a session on each node takes a snapshot and keeps it. Afterwards, with
//! writes going on, the nodes sum their rows up by these snapshots, bucket by bucket
//! (`expanse.bucket_digests`), and the sums of both sides are compared. If the sessions are lost (the
//! sidecar has died), another short freeze with the reverse streams drained makes both sides equal
//! again, and new snapshots.

pub mod digest;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;

use crate::executor::{Command, Leased, Weight};
use crate::kinds::rebind::plan::route::Purpose;
use crate::kinds::rebind::plan::{ColumnChange, MovePlan, Pair};
use crate::kinds::rebind::refusal::Refusal;
use crate::kinds::rebind::switch::attempts::{until_done, Patience};
use crate::operations::error::{Error, Result};
use crate::operations::Context;
use digest::{difference, Digests};

const LOOK: Command = Command::new("compare the copies", Weight::Critical).in_cluster();
const PREPARATION: Duration = Duration::from_secs(10);
/// Summing up takes as long as there are rows.
const DIGEST_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// Sessions that hold, or will hold, a snapshot: one on each node that gives or gets rows.
pub struct Snapshots(BTreeMap<String, Leased>);

/// What the freeze of a switch has seen, until it is compared.
#[derive(Default)]
pub struct HeldSnapshots(tokio::sync::Mutex<Option<Snapshots>>);

impl HeldSnapshots {
    pub async fn hold(&self, snapshots: Option<Snapshots>) {
        *self.0.lock().await = snapshots;
    }

    pub async fn take(&self) -> Option<Snapshots> {
        self.0.lock().await.take()
    }
}

impl Snapshots {
    /// Opens them; nothing is seen yet.
    ///
    /// # Errors
    /// Those of the nodes.
    pub async fn prepare(context: &Context, plan: &MovePlan) -> Result<Self> {
        const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
            SET LOCAL idle_in_transaction_session_timeout = '2min'; SET LOCAL statement_timeout = 0";
        let mut sessions = BTreeMap::new();
        for node in context.nodes().await? {
            let takes_part = |p: &Pair| p.source == node.name() || p.target == node.name();
            if plan.pairs.iter().any(takes_part) {
                let session = context.executor().lease(&node.address, LOOK).await?;
                session.keep_to_yourself();
                session
                    .batch("begin to compare", BEGIN, PREPARATION)
                    .await?;
                sessions.insert(node.name().to_owned(), session);
            }
        }
        Ok(Self(sessions))
    }

    /// Takes the snapshots; how far each node's write-ahead log was.
    ///
    /// # Errors
    /// Those of the nodes.
    pub async fn take(&self, limit: Duration) -> Result<BTreeMap<String, String>> {
        const SQL: &str = "SELECT pg_current_wal_insert_lsn()::text";
        let take = self.0.iter().map(|(name, session)| async move {
            let lsn: String = session.value("take a snapshot", SQL, &[], limit).await?;
            Ok::<_, Error>((name.clone(), lsn))
        });
        Ok(try_join_all(take).await?.into_iter().collect())
    }

    /// Keeps them for as long as summing up takes: a node that has done its part waits for those that have more to do.
    ///
    /// # Errors
    /// Those of the nodes.
    async fn stay(&self) -> Result<()> {
        let sql = format!(
            "SET LOCAL idle_in_transaction_session_timeout = '{}s'",
            DIGEST_LIMIT.as_secs()
        );
        let stay = self
            .0
            .values()
            .map(|session| session.batch("keep a snapshot", &sql, PREPARATION));
        try_join_all(stay).await?;
        Ok(())
    }

    /// What each node holds of the moving buckets of `relation`.
    async fn digests(&self, plan: &MovePlan, relation: &str) -> Result<BTreeMap<&str, Digests>> {
        let ask = self.0.iter().map(|(name, session)| async move {
            let digests = digests_on(session, plan, name, relation).await?;
            Ok::<_, Error>((name.as_str(), digests))
        });
        Ok(try_join_all(ask).await?.into_iter().collect())
    }

    /// What the nodes of one pair hold of the rows that go from one to the other.
    async fn digests_of(
        &self,
        change: &ColumnChange,
        pair: &Pair,
        relation: &str,
    ) -> Result<BTreeMap<&str, Digests>> {
        const SQL: &str = "SELECT bucket, row_count, digest::text \
            FROM expanse.bucket_digests($1::text::regclass, $2, $3, $4, $5, $6, $7)";
        let (first, last): (Vec<i32>, Vec<i32>) = pair.ranges.iter().copied().unzip();
        let (old_first, old_last): (Vec<i32>, Vec<i32>) = pair.old_ranges.iter().copied().unzip();
        let (first, last, old_first, old_last) = (&first, &last, &old_first, &old_last);
        let sides = self
            .0
            .iter()
            .filter(|(name, _)| **name == pair.source || **name == pair.target);
        let ask = sides.map(|(name, session)| async move {
            let rows = session
                .query(
                    "sum up rows",
                    SQL,
                    &[
                        &relation,
                        first,
                        last,
                        &change.to,
                        &change.from,
                        old_first,
                        old_last,
                    ],
                    DIGEST_LIMIT,
                )
                .await?;
            Ok::<_, Error>((name.as_str(), digests(&rows)))
        });
        Ok(try_join_all(ask).await?.into_iter().collect())
    }
}

fn digests(rows: &[tokio_postgres::Row]) -> Digests {
    rows.iter()
        .map(|row| (row.get(0), (row.get(1), row.get(2))))
        .collect()
}

async fn digests_on(
    session: &Leased,
    plan: &MovePlan,
    node: &str,
    relation: &str,
) -> Result<Digests> {
    const SQL: &str = "SELECT bucket, row_count, digest::text \
        FROM expanse.bucket_digests($1::text::regclass, $2, $3)";
    let (first, last): (Vec<i32>, Vec<i32>) = plan
        .pairs
        .iter()
        .filter(|pair| pair.source == node || pair.target == node)
        .flat_map(|pair| pair.ranges.iter().copied())
        .unzip();
    let rows = session
        .query(
            "sum up rows",
            SQL,
            &[&relation, &first, &last],
            DIGEST_LIMIT,
        )
        .await?;
    Ok(digests(&rows))
}

/// Compares both sides; the snapshots are those of the switch if they are still held.
///
/// # Errors
/// [`Refusal::CopiesDiffer`] with the buckets; those of the nodes.
pub async fn run(context: &Context) -> Result<()> {
    let plan = MovePlan::of(context)?;
    if plan.pairs.is_empty() {
        return Ok(());
    }
    let held = context.kept::<HeldSnapshots>();
    let snapshots = match held.take().await {
        Some(snapshots) => snapshots,
        None => {
            until_done(context, &plan, Purpose::Look, Patience::Limited).await?;
            let taken = held.take().await;
            taken.ok_or_else(|| not_held("a freeze to compare took no snapshots"))?
        }
    };
    snapshots.stay().await?;
    let mut differences = Vec::new();
    let mut rows = 0;
    for relation in &plan.relations {
        let all = match plan.column {
            None => snapshots.digests(&plan, relation).await?,
            Some(_) => BTreeMap::new(),
        };
        for pair in &plan.pairs {
            let of_pair = match &plan.column {
                Some(change) => snapshots.digests_of(change, pair, relation).await?,
                None => BTreeMap::new(),
            };
            let of = |name: &str| of_pair.get(name).or_else(|| all.get(name));
            let (Some(source), Some(target)) = (of(&pair.source), of(&pair.target)) else {
                return Err(not_held("a node of the move was not asked"));
            };
            differences.extend(difference(relation, pair, source, target));
            rows += of_pair
                .values()
                .flat_map(BTreeMap::values)
                .map(|(rows, _)| rows)
                .sum::<i64>();
        }
        rows += all
            .values()
            .flat_map(BTreeMap::values)
            .map(|(rows, _)| rows)
            .sum::<i64>();
    }
    if differences.is_empty() {
        // Both sides were counted.
        context
            .report(|operation| {
                operation.rows_total = rows / 2;
                operation.rows_done = rows / 2;
            })
            .await?;
        tracing::info!(operation = context.id(), rows, "old and new copies agree");
        return Ok(());
    }
    Err(Refusal::CopiesDiffer { differences }.into())
}

fn not_held(reason: &'static str) -> Error {
    Refusal::NotCompared { reason }.into()
}
