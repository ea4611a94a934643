//! What moves from where to where, and whether it can.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::context::{maintenance, Context};
use super::super::error::{refused, Error, Result};
use super::super::replication::Stream;
use super::super::shrink::room::check_needs;
use super::rewrite;
use super::route::Direction;
use crate::postgres::NodeAddress;

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
        context.recall("plan")
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
/// [`Error::Refused`] if the group cannot be moved.
pub async fn make(context: &Context) -> Result<()> {
    make_to(context, None).await
}

/// Plans the move to a version; to the one that was asked for or the current one without.
async fn make_to(context: &Context, version: Option<i32>) -> Result<()> {
    let group_id = rewrite::group(context).ok_or_else(|| {
        refused(
            "XP025",
            "invalid group_id: it is missing",
            "Submit the rebind again.",
        )
    })?;
    let (from_version, wanted) = versions(context, group_id).await?;
    let to_version = version.unwrap_or(wanted);
    let relations = relations(context, group_id).await?;
    check_replica_identity(context, &relations).await?;
    let column = rewrite::column_change(context);
    let pairs = match relations.first() {
        Some(_) if column.is_some() => rewrite::pairs(context, from_version, to_version).await?,
        Some(relation) => pairs(context, relation, to_version).await?,
        None => Vec::new(),
    };
    check_limits(context, &pairs).await?;
    let shares = shares(context, from_version, &relations, &pairs, column.is_some()).await?;
    check_room(context, &shares).await?;
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
    context.remember("plan", plan).await
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
    let row = rows.first().ok_or_else(|| {
        refused(
            "XP018",
            format!("colocation group {group_id} does not exist"),
            "See SELECT * FROM cluster_tables.",
        )
    })?;
    let wanted = rewrite::target_version(context).or_else(|| context.parameter("target_version"));
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

/// Publishing UPDATE and DELETE of a table without one would make them fail.
pub async fn check_replica_identity(context: &Context, relations: &[String]) -> Result<()> {
    const SQL: &str = "SELECT r.name FROM unnest($1::text[]) AS r(name) JOIN pg_class c ON c.oid = r.name::regclass \
        WHERE CASE c.relreplident WHEN 'f' THEN false WHEN 'n' THEN true \
        WHEN 'i' THEN NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident) \
        ELSE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) END LIMIT 1";
    let rows = context
        .executor()
        .query(
            context.local(),
            maintenance("check replica identity"),
            SQL,
            &[&relations],
        )
        .await?;
    match rows.first() {
        None => Ok(()),
        Some(row) => {
            let relation: String = row.get(0);
            Err(refused(
                "XP121",
                format!("relation \"{relation}\" has no replica identity"),
                format!("Add a primary key, or run ALTER TABLE {relation} REPLICA IDENTITY FULL."),
            ))
        }
    }
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

/// Slots, senders and workers are counted before the first step, not found missing in the middle.
async fn check_limits(context: &Context, pairs: &[Pair]) -> Result<()> {
    const SQL: &str = "SELECT current_setting('wal_level'), \
        current_setting('max_replication_slots')::int8 - greatest((SELECT count(*) FROM pg_replication_slots), \
            (SELECT count(*) FROM pg_replication_origin)), \
        current_setting('max_wal_senders')::int8 - (SELECT count(*) FROM pg_stat_replication), \
        current_setting('max_logical_replication_workers')::int8 \
            - (SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL), \
        current_setting('max_worker_processes')::int8 \
            - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'logical replication worker')";
    for node in context.nodes().await? {
        let sends = pairs.iter().filter(|p| p.source == node.name()).count() as i64;
        let receives = pairs.iter().filter(|p| p.target == node.name()).count() as i64;
        if sends + receives == 0 {
            continue;
        }
        let rows = context
            .executor()
            .query(&node.address, maintenance("check limits"), SQL, &[])
            .await?;
        let row = rows.first().expect("a SELECT without FROM has one row");
        let wal_level: String = row.get(0);
        if wal_level != "logical" {
            return Err(limit(&node.address, "wal_level", "logical"));
        }
        for ((setting, needed), free) in needs(sends, receives).into_iter().zip(1..) {
            let free: i64 = row.get(free);
            if needed > free {
                let more = format!("at least {} more", needed - free);
                return Err(limit(&node.address, setting, &more));
            }
        }
    }
    Ok(())
}

/// A target that is full in the middle would stop its own writes too. What arrives is written twice, to the
/// tables and to the write-ahead log.
async fn check_room(context: &Context, shares: &[Share]) -> Result<()> {
    const COPIES: f64 = 2.0;
    let mut needs: BTreeMap<&str, f64> = BTreeMap::new();
    for share in shares {
        *needs.entry(&share.target).or_default() += share.room * COPIES;
    }
    let needs = needs
        .into_iter()
        .map(|(node, bytes)| (node.to_owned(), bytes))
        .collect();
    check_needs(context.executor(), &context.nodes().await?, needs).await
}

/// What a node needs: a slot for each stream that it sends, forward or back, and one more (and an origin) for a copy
/// in progress; senders and workers for the direction that needs more of them, and one more for a copy.
fn needs(sends: i64, receives: i64) -> [(&'static str, i64); 4] {
    let most = sends.max(receives) + 1;
    [
        ("max_replication_slots", sends + receives + 1),
        ("max_wal_senders", most),
        ("max_logical_replication_workers", most),
        ("max_worker_processes", most),
    ]
}

fn limit(node: &NodeAddress, setting: &str, value: &str) -> Error {
    let name = &node.node_name;
    refused(
        "XP122",
        format!("setting {setting} of node \"{name}\" does not allow this rebind"),
        format!("Set {setting} of node \"{name}\" to {value} and restart it."),
    )
}

/// Estimates by the tables' statistics and the share of buckets that goes.
async fn shares(
    context: &Context,
    from_version: i32,
    relations: &[String],
    pairs: &[Pair],
    of_everything: bool,
) -> Result<Vec<Share>> {
    // A table that has never been analysed: about 100 bytes a row.
    const SQL: &str = "SELECT r.name, CASE WHEN c.reltuples < 0 THEN pg_table_size(c.oid) / 100.0 ELSE c.reltuples END::float8, \
        pg_table_size(c.oid)::float8, pg_total_relation_size(c.oid)::float8, \
        (SELECT coalesce(sum(last_bucket - first_bucket + 1), 0)::float8 FROM expanse.hash_map_range \
         WHERE hash_map_version = $2 AND node_id = $3) \
        FROM unnest($1::text[]) AS r(name) JOIN pg_class c ON c.oid = r.name::regclass";
    let nodes = context.nodes().await?;
    let mut shares = Vec::new();
    for source in &nodes {
        if !pairs.iter().any(|p| p.source == source.name()) {
            continue;
        }
        let rows = context
            .executor()
            .query(
                &source.address,
                maintenance("estimate the move"),
                SQL,
                &[&relations, &from_version, &source.node_id],
            )
            .await?;
        for pair in pairs.iter().filter(|p| p.source == source.name()) {
            let target = context.node(&pair.target).await?;
            let moved: i32 = pair
                .ranges
                .iter()
                .map(|(first, last)| last - first + 1)
                .sum();
            for row in &rows {
                let owned = row.get::<_, f64>(4).max(1.0);
                let part = f64::from(moved) / if of_everything { 65_536.0 } else { owned };
                shares.push(Share {
                    stream: Direction::Forward.stream_name(context.id(), source, &target),
                    relation: row.get(0),
                    rows: (row.get::<_, f64>(1) * part).round(),
                    bytes: (row.get::<_, f64>(2) * part).round(),
                    target: pair.target.clone(),
                    room: (row.get::<_, f64>(3) * part).round(),
                });
            }
        }
    }
    Ok(shares)
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

/// The streams of the plan in one direction, one a pair.
///
/// # Errors
/// Those of the nodes.
pub async fn streams(
    context: &Context,
    plan: &MovePlan,
    direction: Direction,
) -> Result<Vec<Stream>> {
    let nodes = context.nodes().await?;
    let find = |name: &str| {
        nodes
            .iter()
            .find(|node| node.name() == name)
            .ok_or_else(|| {
                refused(
                    "XP004",
                    format!("node \"{name}\" does not exist"),
                    "See SELECT * FROM cluster_nodes.",
                )
            })
    };
    let mut streams = Vec::new();
    for pair in &plan.pairs {
        let sender = find(direction.sender(pair))?;
        let receiver = find(direction.receiver(pair))?;
        let mut tables = Vec::new();
        for relation in &plan.relations {
            let filter = filter(context, plan, relation, pair, direction).await?;
            tables.push(format!("{relation} WHERE ({filter})"));
        }
        streams.push(Stream {
            name: direction.stream_name(context.id(), sender, receiver),
            source: sender.address.clone(),
            target: receiver.address.clone(),
            tables: tables.join(", "),
        });
    }
    Ok(streams)
}

async fn filter(
    context: &Context,
    plan: &MovePlan,
    relation: &str,
    pair: &Pair,
    direction: Direction,
) -> Result<String> {
    let (column, ranges) = match (&plan.column, direction) {
        (None, _) => (None, &pair.ranges),
        (Some(change), Direction::Forward) => (Some(&change.to), &pair.ranges),
        (Some(change), Direction::Back) => (Some(&change.from), &pair.old_ranges),
    };
    let ranges: Vec<String> = ranges
        .iter()
        .map(|(first, last)| format!("[{first},{last}]"))
        .collect();
    Ok(context
        .executor()
        .value(
            context.local(),
            maintenance("write a row filter").in_cluster(),
            "SELECT expanse.bucket_filter($1::text::regclass, $2::text[]::int4range[], $3)",
            &[&relation, &ranges, &column],
        )
        .await?)
}
