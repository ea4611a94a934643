//! Starting the streams.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;

use super::super::context::Context;
use super::super::error::Result;
use super::super::replication::{open, prefix, subscribe, sweep, Stream};
use super::cleanup::delete_surplus;
use super::pace::Pacer;
use super::plan::{streams, MovePlan};
use super::progress::TableState;
use super::route::Direction;
use super::turns::Turns;

/// Makes every stream ready to start. The first time, whatever an earlier attempt or an
/// earlier rebind has left in the targets goes before.
///
/// # Errors
/// Those of the nodes.
pub async fn start(context: &Context) -> Result<()> {
    let plan = MovePlan::of(context)?;
    if context.remembered::<bool>("targets_cleared").is_none() {
        sweep(context, &context.nodes().await?, &prefix(context.id())).await?;
        for target in plan.targets() {
            let node = context.node(target).await?;
            delete_surplus(context, &node.address, plan.group_id).await?;
        }
        context.remember("targets_cleared", true).await?;
    }
    let mut pacer = Pacer::new(context);
    pacer.keep(context, &plan, &[], None).await?;
    let streams = streams(context, &plan, Direction::Forward).await?;
    try_join_all(streams.iter().map(|stream| open(context, stream))).await?;
    Ok(())
}

/// The streams of a copy, and which of them have started.
pub struct Starter<'a> {
    context: &'a Context,
    turns: Turns<'a>,
    waiting: Vec<Stream>,
}

impl<'a> Starter<'a> {
    /// # Errors
    /// Those of the nodes.
    pub async fn new(context: &'a Context, plan: &MovePlan) -> Result<Self> {
        Ok(Self {
            context,
            turns: Turns::new(context.copies()),
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
