//! Named, tracked, cancellable tasks.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Cheap to clone.
#[derive(Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            tracker: TaskTracker::new(),
            stop,
        }
    }

    /// Runs `task`, which ends by itself when told to stop. One that ends earlier stops the daemon:
    /// the service manager starts it anew, whole.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            let outcome = tokio::spawn(task).await;
            if !stop.is_cancelled() {
                let panicked = outcome.is_err();
                tracing::error!(task = name, panicked, "task ended, the daemon stops");
                stop.cancel();
            }
        });
    }

    /// Stops all tasks and waits for them, but no longer than `limit`.
    pub async fn stop(&self, limit: Duration) {
        self.stop.cancel();
        self.tracker.close();
        if timeout(limit, self.tracker.wait()).await.is_err() {
            tracing::warn!("some tasks did not stop in time");
        }
    }
}
