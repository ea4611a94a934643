//! The journal as every sidecar sees it: kept up to date by watches, for status and views.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use expanse_core::wire::Operation;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{decode, ids_of, Journal};

/// Operations of the past that are shown.
const HISTORY: usize = 100;

type Seen = Arc<Mutex<BTreeMap<i64, Option<Operation>>>>;

/// Shows the newest operations, newest first, in `shown`, until `stop`.
pub async fn run(journal: Journal, shown: watch::Sender<Vec<Operation>>, stop: CancellationToken) {
    let followers = TaskTracker::new();
    tokio::select! {
        () = stop.cancelled() => {}
        () = follow_all(&journal, &shown, &followers, &stop) => {}
    }
    followers.close();
    followers.wait().await;
}

async fn follow_all(
    journal: &Journal,
    shown: &watch::Sender<Vec<Operation>>,
    followers: &TaskTracker,
    stop: &CancellationToken,
) {
    let seen: Seen = Seen::default();
    loop {
        match journal.store().watch_children("/operations").await {
            Ok(mut watch) => loop {
                let ids = ids_of(&watch.current());
                for &id in ids.iter().rev().take(HISTORY) {
                    if seen.lock().contains_key(&id) {
                        continue;
                    }
                    seen.lock().insert(id, None);
                    let follower = follow(journal.clone(), id, seen.clone(), shown.clone());
                    let stop = stop.clone();
                    followers.spawn(async move {
                        stop.run_until_cancelled(follower).await;
                    });
                }
                if watch.changed().await.is_err() {
                    break;
                }
            },
            Err(error) => tracing::debug!(%error, "could not watch the journal"),
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Keeps one operation up to date until it has finished.
async fn follow(journal: Journal, id: i64, seen: Seen, shown: watch::Sender<Vec<Operation>>) {
    loop {
        if let Ok(mut watch) = journal.store().watch(&Journal::path(id)).await {
            loop {
                if let Some(entry) = watch.current().and_then(|e| decode(id, &e.data).ok()) {
                    let finished = entry.progress().finished();
                    show(&seen, &shown, entry.operation);
                    if finished {
                        return;
                    }
                }
                if watch.changed().await.is_err() {
                    break;
                }
            }
        }
        sleep(Duration::from_secs(1)).await;
    }
}

fn show(seen: &Seen, shown: &watch::Sender<Vec<Operation>>, operation: Operation) {
    let mut seen = seen.lock();
    seen.insert(operation.operation_id, Some(operation));
    let newest: Vec<_> = seen
        .values()
        .rev()
        .flatten()
        .take(HISTORY)
        .cloned()
        .collect();
    shown.send_replace(newest);
}
