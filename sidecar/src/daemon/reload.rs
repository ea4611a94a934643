//! SIGHUP: reads the configuration again, applies what can be applied, says what needs a restart.

use std::sync::Arc;

use parking_lot::RwLock;
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;

use super::{logs, notify};
use crate::config::{changes, AlarmConfig, Config, ConfigError};
use crate::executor::Executor;

/// Reads the configuration from where it was read at the start.
pub type Source = Arc<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>;

/// The parts that change.
pub(super) struct Reload {
    pub source: Source,
    /// As the daemon was started.
    pub started_with: Arc<Config>,
    pub executor: Executor,
    pub alarm: Arc<RwLock<AlarmConfig>>,
}

impl Reload {
    /// Reloads at every signal, until `stop`.
    pub async fn run(self, mut hangup: Signal, stop: CancellationToken) {
        let mut current = (*self.started_with).clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                asked = hangup.recv() => if asked.is_none() { return stop.cancelled().await },
            }
            notify::reloading();
            match (self.source)() {
                Ok(wanted) => {
                    self.apply(&current, &wanted);
                    current = wanted;
                }
                Err(error) => {
                    tracing::warn!(%error, "configuration is not reloaded, what is in use stays");
                }
            }
            notify::send("READY=1");
        }
    }

    fn apply(&self, current: &Config, wanted: &Config) {
        let changed = changes(current, wanted);
        self.executor.reconfigure(&wanted.executor);
        *self.alarm.write() = wanted.alarm.clone();
        if let Err(error) = logs::refilter(&wanted.log.filter) {
            tracing::warn!(error, "log.filter stays as it is");
        }
        for change in &changed {
            tracing::info!(
                field = change.0.full_name(),
                in_effect = change.0.reloadable(),
                "configuration has changed"
            );
        }
        for waiting in changes(&self.started_with, wanted)
            .iter()
            .filter(|change| !change.0.reloadable())
        {
            tracing::warn!(
                field = waiting.0.full_name(),
                "the new value needs a restart of expansed"
            );
        }
        tracing::info!(changes = changed.len(), "configuration reloaded");
    }
}
