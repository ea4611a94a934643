//! How much each pair of nodes has to copy, and whether there is room for it.

use std::collections::BTreeMap;

use super::route::Direction;
use super::{Pair, Share};
use crate::kinds::disk_space;
use crate::operations::{maintenance, Context, Result};

/// A target that is full in the middle would stop its own writes too. What arrives is written twice, to the
/// tables and to the write-ahead log.
///
/// # Errors
/// [`Error::Refused`](crate::operations::Error::Refused) with the nodes that lack room; those of the nodes.
pub async fn check_room(context: &Context, shares: &[Share]) -> Result<()> {
    const COPIES: f64 = 2.0;
    let mut needs: BTreeMap<&str, f64> = BTreeMap::new();
    for share in shares {
        *needs.entry(&share.target).or_default() += share.room * COPIES;
    }
    let needs = needs
        .into_iter()
        .map(|(node, bytes)| (node.to_owned(), bytes))
        .collect();
    disk_space::check(context.executor(), &context.nodes().await?, needs).await
}

/// Estimates by the tables' statistics and the share of buckets that goes.
///
/// # Errors
/// Those of the nodes.
pub async fn estimate(
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
