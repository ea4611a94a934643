//! Streams from the new owners back to the old ones, so that the old copies stay current after the
//! switch until they are deleted.
//!
//! Publications and slots are made before the switch, because making a slot waits for other
//! transactions. What arrives at a new owner through the forward streams must not travel back: so
//! the reverse streams begin exactly where the write-ahead log of the new owner was in the freeze of
//! the switch, when everything had been drained and no session wrote. That position is in the journal
//! before the switch is committed. Forward streams go before reverse streams run, for the same reason.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use crate::kinds::rebind::plan::route::Direction;
use crate::kinds::rebind::plan::{streams, MovePlan};
use crate::kinds::rebind::state::Rebind;
use crate::operations::Context;
use crate::operations::Result;
use crate::streams::{open, subscribe_from, sweep};

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
pub async fn note_start(context: &Context, marks: BTreeMap<String, String>) -> Result<()> {
    context
        .change_state::<Rebind>(|state| state.reverse_from = Some(marks))
        .await
}

/// Whether a switch has been tried.
///
/// # Errors
/// [`Error::Damaged`](crate::operations::Error::Damaged).
pub fn may_have_switched(context: &Context) -> Result<bool> {
    Ok(context.state::<Rebind>()?.reverse_from.is_some())
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
    let marks = context.noted(context.state::<Rebind>()?.reverse_from, "reverse_from")?;
    let streams = streams(context, &plan, Direction::Back).await?;
    let started = streams
        .iter()
        .filter_map(|stream| Some((stream, marks.get(&stream.source.node_name)?)))
        .map(|(stream, from)| subscribe_from(context, stream, from));
    try_join_all(started).await?;
    Ok(())
}
