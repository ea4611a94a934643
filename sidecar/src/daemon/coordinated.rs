//! The tasks that need the coordination store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use expanse_core::wire::{NodeStatus, Operation};
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use super::notify;
use super::parts::Parts;
use crate::config::Config;
use crate::coordination::{self, Coordination, SessionState, Timeouts};
use crate::kinds::KINDS;
use crate::membership::{removed, status};
use crate::operations::journal::mirror;
use crate::operations::leader::Campaign;
use crate::operations::Journal;
use crate::overview::publish;

const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Where the tasks show what they know.
pub(super) struct Shown {
    pub nodes: watch::Sender<BTreeMap<String, NodeStatus>>,
    pub leader: watch::Sender<Option<String>>,
    pub operations: watch::Sender<Vec<Operation>>,
    pub session: watch::Sender<SessionState>,
    /// Told the store once it has answered.
    pub found: oneshot::Sender<Arc<dyn Coordination>>,
}

/// Connects, starts what needs the store, and follows its session, until told to stop. Ends before
/// only if the store will never answer: the daemon stops then.
pub(super) async fn run(parts: Parts, shown: Shown) {
    let connected = tokio::select! {
        () = parts.stop.cancelled() => return,
        connected = connect(&parts.config) => connected,
    };
    let store = match connected {
        Ok(store) => store,
        Err(error) => {
            *parts.refused.lock() = Some(error);
            return;
        }
    };
    let _ = parts.store.set(store.clone());
    let session = shown.session.clone();
    start(&parts, store.clone(), shown);
    let follow = async {
        let mut states = store.session();
        loop {
            session.send_replace(*states.borrow_and_update());
            if states.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    };
    parts.stop.run_until_cancelled(follow).await;
}

fn start(parts: &Parts, store: Arc<dyn Coordination>, shown: Shown) {
    let (tasks, stop) = (&parts.tasks, &parts.stop);
    let journal = Journal::new(store.clone(), &KINDS);
    let _ = parts.journal.set(journal.clone());
    let local = || parts.view.local.clone();
    let own = status::Own {
        local: local(),
        load: parts.load.clone(),
        alarms: parts.alarms.clone(),
    };
    let campaign = Campaign {
        config: parts.config.clone(),
        store: store.clone(),
        executor: parts.executor.clone(),
        local: local(),
        kinds: &KINDS,
        stop: stop.clone(),
    };
    // The task that waits for it may have been stopped.
    let _ = shown.found.send(store.clone());
    let entry = status::register(store.clone(), own, stop.clone());
    tasks.spawn("status entry", entry);
    let directory = status::follow(store.clone(), shown.nodes, stop.clone());
    tasks.spawn("status directory", directory);
    let lost = removed::watch(
        parts.config.clone(),
        parts.executor.clone(),
        store.clone(),
        local(),
        stop.clone(),
    );
    tasks.spawn("removed nodes", lost);
    let leader = publish::follow_leader(store, shown.leader, stop.clone());
    tasks.spawn("leader entry", leader);
    let operations = mirror::run(journal, shown.operations, stop.clone());
    tasks.spawn("journal", operations);
    tasks.spawn("operations", campaign.run());
}

/// Ends the session, so that what it holds goes at once.
pub(super) async fn close(parts: &Parts, limit: Duration) {
    if let Some(store) = parts.store.get() {
        let _ = timeout(limit, store.close()).await;
    }
}

/// # Errors
/// Those that repeating does not mend.
async fn connect(config: &Config) -> coordination::Result<Arc<dyn Coordination>> {
    let timeouts = Timeouts {
        call: Duration::from_millis(config.coordination.call_timeout_ms),
        session: Duration::from_millis(config.coordination.session_timeout_ms),
        ..Timeouts::default()
    };
    let identity = if config.node_name.is_empty() {
        format!("{}:{}", config.postgres.host, config.postgres.port)
    } else {
        config.node_name.clone()
    };
    let mut told = false;
    loop {
        match coordination::connect(&config.coordination.url, &identity, timeouts).await {
            Ok(store) => {
                notify::send("STATUS=running");
                return Ok(store);
            }
            Err(error) if error.is_retryable() => {
                if !told {
                    notify::send("STATUS=waits for the coordination store");
                    tracing::warn!(%error, "waits for the coordination store");
                }
                told = true;
                sleep(RETRY_INTERVAL).await;
            }
            Err(error) => return Err(error),
        }
    }
}
