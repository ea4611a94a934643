//! Starting the streams.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use super::super::context::Context;
use super::super::error::Result;
use super::super::replication::{open, prefix, subscribe, sweep, Stream};
use super::cleanup::delete_surplus;
use super::pace::Pacer;
use super::plan::{streams, MovePlan};
use super::route::Direction;

/// Starts every stream that does not run yet. The first time, whatever an earlier attempt or an
/// earlier rebind has left in the targets goes before.
///
/// # Errors
/// Those of the nodes.
pub async fn start(context: &Context) -> Result<()> {
    let plan = MovePlan::of(context)?;
    if context.remembered::<bool>("targets_cleared").is_none() {
        sweep(context, &context.nodes().await?, &prefix(context.id())).await?;
        for target in plan.targets() {
            delete_surplus(context, target, plan.group_id).await?;
        }
        context.remember("targets_cleared", true).await?;
    }
    let mut pacer = Pacer::new(context);
    pacer.keep(context, &plan, &[], None).await?;
    let streams = streams(context, &plan, Direction::Forward).await?;
    try_join_all(streams.iter().map(|stream| open(context, stream))).await?;
    let mut by_target: BTreeMap<_, Vec<Stream>> = BTreeMap::new();
    for stream in streams {
        by_target
            .entry(stream.target.clone())
            .or_default()
            .push(stream);
    }
    let subscribing = by_target
        .iter()
        .map(|(target, streams)| subscribe(context, target, streams));
    try_join_all(subscribing).await?;
    Ok(())
}
