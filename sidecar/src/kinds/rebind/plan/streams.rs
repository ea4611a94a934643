//! The streams of a move.

use super::route::Direction;
use super::{MovePlan, Pair};
use crate::operations::{maintenance, Context, Refusal, Result};
use crate::streams::Stream;

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
                let node = name.to_owned();
                Refusal::UnknownNode { node }
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
