//! The copy: starting the streams, and following them until they are close behind.

pub mod indexes;
pub mod pace;
pub mod progress;
mod rate;
mod turns;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;

use crate::kinds::rebind::cleanup::delete_surplus;
use crate::kinds::rebind::plan::route::Direction;
use crate::kinds::rebind::plan::{streams, MovePlan};
use crate::kinds::rebind::state::Rebind;
use crate::operations::Context;
use crate::operations::Result;
use crate::streams::{open, prefix, subscribe, sweep, Stream};
use pace::Pacer;
use progress::TableState;
use turns::Turns;

/// Makes every stream ready to start. The first time, whatever an earlier attempt or an
/// earlier rebind has left in the targets goes before.
///
/// # Errors
/// Those of the nodes.
pub async fn start(context: &Context) -> Result<()> {
    let plan = MovePlan::of(context)?;
    if context.state::<Rebind>()?.targets_cleared.is_none() {
        sweep(context, &context.nodes().await?, &prefix(context.id())).await?;
        for target in plan.targets() {
            let node = context.node(target).await?;
            delete_surplus(context, &node.address, plan.group_id).await?;
        }
        context
            .change_state::<Rebind>(|state| state.targets_cleared = Some(true))
            .await?;
    }
    let mut pacer = Pacer::new(context)?;
    pacer.keep(context, &plan, &[], None).await?;
    let streams = streams(context, &plan, Direction::Forward).await?;
    try_join_all(streams.iter().map(|stream| open(context, stream))).await?;
    Ok(())
}

/// The streams of a copy, and which of them have started.
pub struct Starter<'a> {
    context: &'a Context,
    turns: Turns,
    waiting: Vec<Stream>,
}

impl<'a> Starter<'a> {
    /// # Errors
    /// Those of the nodes.
    pub async fn new(context: &'a Context, plan: &MovePlan) -> Result<Self> {
        Ok(Self {
            context,
            turns: Turns::new(context.shared()),
            waiting: streams(context, plan, Direction::Forward).await?,
        })
    }

    /// Starts the streams whose turn has come, by what the targets show.
    ///
    /// # Errors
    /// Those of the targets.
    pub async fn go_on(&mut self, states: &[TableState]) -> Result<()> {
        let shown: BTreeSet<&str> = states.iter().map(|state| state.stream.as_str()).collect();
        let copying = |name: &str| states.iter().any(|s| s.stream == name && !s.copied());
        // Started by a leader before this one, or before a pause.
        for stream in &self.waiting {
            if copying(&stream.name) {
                self.turns.note(stream);
            }
        }
        self.waiting
            .retain(|stream| !shown.contains(stream.name.as_str()));
        self.turns
            .over(|name| shown.contains(name) && !copying(name));
        let limit = self.context.executor().maintenance_limit();
        let begun: Vec<Stream> = self
            .turns
            .begin(&self.waiting, limit)
            .into_iter()
            .cloned()
            .collect();
        begin(self.context, &begun).await?;
        self.waiting
            .retain(|stream| begun.iter().all(|other| other.name != stream.name));
        Ok(())
    }
}

async fn begin(context: &Context, streams: &[Stream]) -> Result<()> {
    let mut by_target: BTreeMap<_, Vec<Stream>> = BTreeMap::new();
    for stream in streams {
        by_target
            .entry(stream.target.clone())
            .or_default()
            .push(stream.clone());
    }
    let subscribing = by_target
        .iter()
        .map(|(target, streams)| subscribe(context, target, streams));
    try_join_all(subscribing).await?;
    Ok(())
}
