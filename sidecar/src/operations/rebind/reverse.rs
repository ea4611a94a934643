//! Streams from the new owners back to the old ones, so that the old copies stay current after the
//! switch until they are deleted.
//!
//! Publications and slots are made before the switch, because making a slot waits for other
//! transactions. What arrives at a new owner through the forward streams must not travel back: so
//! the reverse streams begin exactly where the write-ahead log of the new owner was in the freeze of
//! the switch, when everything had been drained and nobody wrote. That position is in the journal
//! before the switch is committed. Forward streams go before reverse streams run, for the same reason.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use super::super::context::Context;
use super::super::error::Result;
use super::super::replication::{open, subscribe_from, sweep};
use super::plan::{streams, MovePlan};
use super::route::Direction;

const START: &str = "reverse_from";

/// Makes publications and slots on the new owners.
///
/// # Errors
/// Those of the nodes.
pub async fn prepare(context: &Context) -> Result<()> {
    let plan = MovePlan::of(context)?;
    let streams = streams(context, &plan, Direction::Back).await?;
    try_join_all(streams.iter().map(|stream| open(context, stream))).await?;
    Ok(())
}

/// Notes in the journal where each node's log was in the freeze.
///
/// # Errors
/// Those of the store.
pub async fn remember_start(context: &Context, marks: BTreeMap<String, String>) -> Result<()> {
    context.remember(START, marks).await
}

/// Whether a switch has been tried.
pub fn may_have_switched(context: &Context) -> bool {
    context
        .remembered::<BTreeMap<String, String>>(START)
        .is_some()
}

/// Ends the forward streams and starts the reverse ones; the group is bound to the new map.
///
/// # Errors
/// Those of the nodes.
pub async fn start(context: &Context) -> Result<()> {
    let plan = MovePlan::of(context)?;
    if plan.pairs.is_empty() {
        return Ok(());
    }
    let forward = Direction::Forward.prefix(context.id());
    sweep(context, &context.nodes().await?, &forward).await?;
    let marks: BTreeMap<String, String> = context.recall(START)?;
    let streams = streams(context, &plan, Direction::Back).await?;
    let started = streams
        .iter()
        .filter_map(|stream| Some((stream, marks.get(&stream.source.node_name)?)))
        .map(|(stream, from)| subscribe_from(context, stream, from));
    try_join_all(started).await?;
    Ok(())
}
