//! What moves from where to where, and whether it can.

mod limits;
pub mod route;
mod shares;
mod streams;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use super::state::Rebind;
use crate::kinds::rebind::rewrite;
use crate::operations::submit::invalid;
use crate::operations::{maintenance, Context, Result};
use crate::streams::check_replica_identity;

pub use streams::streams;

/// Buckets that go from one node to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    pub source: String,
    pub target: String,
    /// First and last bucket of each range.
    pub ranges: Vec<(i32, i32)>,
    /// When the distribution column changes: the source's ranges by the old column. The others are by the new one.
    #[serde(default)]
    pub old_ranges: Vec<(i32, i32)>,
}

/// A change of the distribution column of the only table that moves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnChange {
    pub from: String,
    pub to: String,
}

/// What one pair has to copy of one table: an estimate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Of the pair's stream.
    pub stream: String,
    pub relation: String,
    pub rows: f64,
    pub bytes: f64,
    /// The node that gets it, and the bytes that it takes there with its indexes.
    #[serde(default)]
    pub target: String,
    #[serde(default)]
    pub room: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MovePlan {
    pub group_id: i32,
    pub from_version: i32,
    pub to_version: i32,
    /// `schema.name`, quoted where needed.
    pub relations: Vec<String>,
    pub pairs: Vec<Pair>,
    pub shares: Vec<Share>,
    #[serde(default)]
    pub column: Option<ColumnChange>,
}

impl MovePlan {
    pub fn of(context: &Context) -> Result<Self> {
        context.noted(context.state::<Rebind>()?.plan, "plan")
    }

    /// Nodes that give rows.
    pub fn sources(&self) -> Vec<&str> {
        distinct(self.pairs.iter().map(|pair| pair.source.as_str()))
    }

    /// Nodes that get rows.
    pub fn targets(&self) -> Vec<&str> {
        distinct(self.pairs.iter().map(|pair| pair.target.as_str()))
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let set: std::collections::BTreeSet<_> = names.collect();
    set.into_iter().collect()
}

/// # Errors
/// [`Error::Refused`](crate::operations::Error::Refused) if the group cannot be moved.
pub async fn make(context: &Context) -> Result<()> {
    make_to(context, None).await
}

/// Plans the move to a version; to the one that was asked for or the current one without.
async fn make_to(context: &Context, version: Option<i32>) -> Result<()> {
    let group_id = rewrite::group(context)?.ok_or_else(|| invalid("group_id", "it is missing"))?;
    let (from_version, wanted) = versions(context, group_id).await?;
    let to_version = version.unwrap_or(wanted);
    let relations = relations(context, group_id).await?;
    check_replica_identity(context, &relations).await?;
    let column = context.state::<Rebind>()?.column_change;
    let pairs = match relations.first() {
        Some(_) if column.is_some() => rewrite::pairs(context, from_version, to_version).await?,
        Some(relation) => pairs(context, relation, to_version).await?,
        None => Vec::new(),
    };
    limits::check(context, &pairs).await?;
    let shares =
        shares::estimate(context, from_version, &relations, &pairs, column.is_some()).await?;
    shares::check_room(context, &shares).await?;
    let rows: f64 = shares.iter().map(|share| share.rows).sum();
    let bytes: f64 = shares.iter().map(|share| share.bytes).sum();
    let plan = MovePlan {
        group_id,
        from_version,
        to_version,
        relations,
        pairs,
        shares,
        column,
    };
    context
        .report(|operation| {
            operation.rows_total = rows as i64;
            operation.bytes_total = bytes as i64;
        })
        .await?;
    context
        .change_state::<Rebind>(|state| state.plan = Some(plan))
        .await
}

async fn versions(context: &Context, group_id: i32) -> Result<(i32, i32)> {
    const SQL: &str =
        "SELECT g.hash_map_version, (SELECT hash_map_version FROM expanse.hash_map WHERE current) \
        FROM expanse.colocation_group g WHERE g.group_id = $1";
    let rows = context
        .executor()
        .query(
            context.local(),
            maintenance("read the binding"),
            SQL,
            &[&group_id],
        )
        .await?;
    let row = rows.first().ok_or(Refusal::NoGroup { group_id })?;
    let wanted =
        rewrite::target_version(context)?.or(context.parameters::<Rebind>()?.target_version);
    Ok((row.get(0), wanted.unwrap_or_else(|| row.get(1))))
}

async fn relations(context: &Context, group_id: i32) -> Result<Vec<String>> {
    const SQL: &str =
        "SELECT format('%I.%I', n.nspname, c.relname) FROM expanse.distributed_table t \
        JOIN pg_class c ON c.oid = t.relation::oid JOIN pg_namespace n ON n.oid = c.relnamespace \
        WHERE t.group_id = $1 ORDER BY 1";
    let rows = context
        .executor()
        .query(
            context.local(),
            maintenance("read the group"),
            SQL,
            &[&group_id],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn pairs(context: &Context, relation: &str, to_version: i32) -> Result<Vec<Pair>> {
    const SQL: &str = "SELECT source_node, target_node, first_bucket, last_bucket \
        FROM expanse.move_plan($1::text::regclass, $2) ORDER BY 1, 2, 3";
    let rows = context
        .executor()
        .query(
            context.local(),
            maintenance("plan the move").in_cluster(),
            SQL,
            &[&relation, &to_version],
        )
        .await?;
    let mut by_pair: BTreeMap<(String, String), Vec<(i32, i32)>> = BTreeMap::new();
    for row in &rows {
        by_pair
            .entry((row.get(0), row.get(1)))
            .or_default()
            .push((row.get(2), row.get(3)));
    }
    Ok(by_pair
        .into_iter()
        .map(|((source, target), ranges)| Pair {
            source,
            target,
            ranges,
            old_ranges: Vec::new(),
        })
        .collect())
}

/// Puts the group into motion: nothing joins it, leaves it or binds it from here on. What has done so since it was planned
/// is planned again, for rows of a table that is not copied would be deleted with the old copies.
///
/// # Errors
/// Those of the nodes; those of [`make`].
pub async fn begin_move(context: &Context) -> Result<()> {
    let plan = MovePlan::of(context)?;
    context
        .executor()
        .query(
            context.local(),
            maintenance("begin the move").in_cluster(),
            "SELECT expanse.begin_move($1, $2)",
            &[&plan.group_id, &plan.to_version],
        )
        .await?;
    let (from_version, _) = versions(context, plan.group_id).await?;
    let as_planned = from_version == plan.from_version
        && relations(context, plan.group_id).await? == plan.relations;
    if as_planned {
        return Ok(());
    }
    tracing::info!(
        operation = context.id(),
        "the group has changed, planned again"
    );
    make_to(context, Some(plan.to_version)).await
}
