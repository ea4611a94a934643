//! The leader: campaigns while the local server is ready, and runs what the journal holds.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use expanse_core::wire::OperationState;
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::context::{Context, Shared};
use super::error::{Error, Result};
use super::journal::{ids_of, Journal};
use super::kept::Kept;
use super::kind::Kinds;
use super::members::members;
use super::refusal::{Reason, Refusal};
use super::request::{due, Due};
use super::runner;
use crate::config::Config;
use crate::coordination::{Coordination, Leadership};
use crate::executor::Executor;
use crate::membership::local::is_ready;
use crate::membership::{topology, LocalNode};

const LEADER: &str = "/leader";
/// A leader whose server has not answered for so long gives the place to another node.
const UNREADY_LIMIT: Duration = Duration::from_secs(5);
/// Operations that wait for others are looked at again at least this often.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

pub struct Campaign {
    pub config: Arc<Config>,
    pub store: Arc<dyn Coordination>,
    pub executor: Executor,
    /// `None` while the local server does not answer or is not part of the cluster. Leads only while that is ready.
    pub local: watch::Receiver<Option<LocalNode>>,
    pub kinds: &'static Kinds,
    pub stop: CancellationToken,
}

impl Campaign {
    /// Leads whenever it can, until told to stop.
    pub async fn run(mut self) {
        let stop = self.stop.clone();
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.one_term() => {}
            }
        }
    }

    async fn one_term(&mut self) {
        let Ok(local) = self.local.wait_for(is_ready).await.map(|l| l.clone()) else {
            return self.stop.cancelled().await;
        };
        let Some(local) = local else { return };
        let elected = tokio::select! {
            elected = self.store.campaign(LEADER, &local.address.node_name) => elected,
            () = unready(self.local.clone()) => return,
        };
        match elected {
            Ok(leadership) => self.lead(leadership, local).await,
            Err(error) => {
                tracing::warn!(%error, "could not stand for leadership");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }

    async fn lead(&self, leadership: Leadership, local: LocalNode) {
        if let Err(error) = members(&self.executor, &local.address).await {
            tracing::info!(%error, "elected, but cannot lead");
            leadership.resign().await;
            return sleep(LOOK_INTERVAL).await;
        }
        let epoch = leadership.epoch();
        let lost = leadership.lost();
        tracing::info!(epoch, node = local.address.node_name, "leads");
        let shared = Arc::new(Shared {
            config: self.config.clone(),
            executor: self.executor.clone(),
            journal: Journal::new(self.store.clone(), self.kinds),
            leadership,
            local: local.address,
            exclusive: tokio::sync::Mutex::new(()),
            kept: Kept::default(),
        });
        let tasks = TaskTracker::new();
        let work = {
            let shared = shared.clone();
            let tasks = tasks.clone();
            let watched = self.local.clone();
            async move {
                let writer = topology::Writer {
                    config: &shared.config,
                    executor: &shared.executor,
                    store: shared.journal.store(),
                    leadership: &shared.leadership,
                    server: &shared.local,
                };
                let duties = shared.journal.kinds().duties.iter();
                tokio::join!(
                    run_operations(&shared, &tasks),
                    topology::keep(&writer, watched),
                    join_all(duties.map(|duty| duty(&shared)))
                );
            }
        };
        tokio::select! {
            () = work => {}
            () = lost.cancelled() => tracing::warn!(epoch, "no longer leads"),
            () = unready(self.local.clone()) => tracing::warn!(epoch, "local server is not ready, gives up leading"),
            () = self.stop.cancelled() => tracing::info!(epoch, "stops leading"),
        }
        // The operations' tasks end by themselves: they hold the token of the leadership.
        lost.cancel();
        tasks.close();
        tasks.wait().await;
        if let Some(shared) = Arc::into_inner(shared) {
            shared.leadership.resign().await;
        }
    }
}

/// Ends once the local server has been unready for too long.
async fn unready(mut local: watch::Receiver<Option<LocalNode>>) {
    loop {
        if local.wait_for(|node| !is_ready(node)).await.is_err() {
            return std::future::pending().await;
        }
        let back = local.wait_for(is_ready);
        if tokio::time::timeout(UNREADY_LIMIT, back).await.is_err() {
            return;
        }
    }
}

/// Starts every operation that has not finished and need not wait for another.
async fn run_operations(shared: &Arc<Shared>, tasks: &TaskTracker) {
    let running = Arc::new(Mutex::new(HashSet::new()));
    let mut watch = loop {
        match shared.journal.store().watch_children("/operations").await {
            Ok(watch) => break watch,
            Err(error) => tracing::warn!(%error, "could not watch the journal"),
        }
        sleep(Duration::from_secs(1)).await;
    };
    loop {
        let ids = ids_of(&watch.current());
        if let Err(error) = start_new(shared, tasks, &ids, &running).await {
            tracing::warn!(%error, "could not read the journal");
        }
        tokio::select! {
            changed = watch.changed() => if changed.is_err() { return },
            () = sleep(LOOK_INTERVAL) => {}
        }
    }
}

async fn start_new(
    shared: &Arc<Shared>,
    tasks: &TaskTracker,
    ids: &[i64],
    running: &Arc<Mutex<HashSet<i64>>>,
) -> Result<()> {
    let mut unfinished = Vec::new();
    for &id in ids.iter().rev() {
        // What has finished never begins again, so it is read once.
        if running.lock().contains(&-id) {
            continue;
        }
        let found = match shared.journal.get(id).await {
            // One that cannot be read does not keep the others from going on.
            Err(error @ Error::Damaged { .. }) => {
                tracing::warn!(operation = id, %error, "skipped");
                running.lock().insert(-id);
                continue;
            }
            found => found?,
        };
        let Some((entry, version)) = found else {
            continue;
        };
        if entry.progress().finished() {
            running.lock().insert(-id);
        } else {
            unfinished.push((entry, version));
        }
    }
    let operations: Vec<_> = unfinished
        .iter()
        .map(|(e, _)| e.operation.clone())
        .collect();
    let kinds = shared.journal.kinds();
    for (entry, version) in unfinished {
        let id = entry.operation.operation_id;
        if running.lock().contains(&id) {
            continue;
        }
        match due(&entry) {
            Due::Nothing => continue,
            Due::Pause => {}
            Due::Run if entry.cancel_requested => {}
            Due::Run if kinds.must_wait(&operations, &entry.operation).is_some() => continue,
            Due::Run => {}
        }
        running.lock().insert(id);
        let context = Context::new(shared.clone(), entry, version);
        let running = running.clone();
        tasks.spawn(async move {
            if let Err(error) = run_one(&context).await {
                tracing::warn!(operation = id, %error, "left to the next leader");
            }
            running.lock().remove(&id);
        });
    }
    Ok(())
}

async fn run_one(context: &Context) -> Result<()> {
    let entry = context.entry();
    tracing::info!(
        operation = context.id(),
        kind = entry.operation.kind.as_str(),
        target = entry.operation.target,
        after = entry.operation.step,
        "runs"
    );
    let kind = entry.operation.kind;
    match context.journal().kinds().plan(kind) {
        Some(plan) => runner::run(context, plan).await,
        None => {
            context
                .change(|entry| {
                    entry.operation.state = OperationState::Failed;
                    entry.operation.error = Some(Refusal::UnknownKind { kind }.to_control());
                })
                .await
        }
    }
}
