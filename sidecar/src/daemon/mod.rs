//! The daemon: starts the parts as named tasks and stops them in order.
//!
//! What needs only the local server ([`parts`]) begins at once: recovery of transactions, the
//! control socket, HTTP. What needs the coordination store ([`coordinated`]) begins when it
//! answers, however long that takes.

mod coordinated;
mod logs;
mod notify;
mod parts;
mod reload;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{signal, SignalKind};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::control::listen;
use crate::coordination;

pub use logs::init as init_logs;
use reload::Reload;
pub use reload::Source;

/// How long the parts may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Why the daemon ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Coordination(#[from] coordination::Error),
    #[error("could not listen on control socket \"{path}\": {source}")]
    ControlSocket {
        path: std::path::PathBuf,
        source: std::io::Error,
    },
    #[error("could not watch for signals: {0}")]
    Signals(std::io::Error),
}

/// Runs until SIGTERM or SIGINT. At SIGHUP the configuration is read from `source` again.
///
/// # Errors
/// What keeps it from starting; a coordination store that refuses for good.
pub async fn run(config: Config, source: Source) -> Result<(), Error> {
    let stop = CancellationToken::new();
    stop_at_signals(stop.clone())?;
    // Taken from the beginning, so that an early one does not end the process.
    let hangup = signal(SignalKind::hangup()).map_err(Error::Signals)?;
    // If it cannot be made, the parts that write there say so.
    let _ = std::fs::create_dir_all(&config.state_dir);
    let config = Arc::new(config);
    let listener = listen(&config.control_socket)
        .await
        .map_err(|source| Error::ControlSocket {
            path: config.control_socket.clone(),
            source,
        })?;
    let (parts, shown) = parts::make(config.clone(), stop.clone());
    let reload = Reload {
        source,
        started_with: config.clone(),
        executor: parts.executor.clone(),
        alarm: parts.alarm.clone(),
    };
    parts
        .tasks
        .spawn("reload", reload.run(hangup, stop.clone()));
    let waiting = parts.start(listener, shown);
    let coordination = coordinated::run(parts.clone(), waiting);
    parts.tasks.spawn("coordination", coordination);
    notify::send("READY=1\nSTATUS=running");
    tracing::info!(control_socket = %config.control_socket.display(), "ready");
    stop.cancelled().await;
    notify::send("STOPPING=1");
    tracing::info!("stops");
    parts.tasks.stop(STOP_LIMIT).await;
    coordinated::close(&parts, STOP_LIMIT).await;
    let _ = std::fs::remove_file(&config.control_socket);
    let refused = parts.refused.lock().take();
    refused.map_or(Ok(()), |error| Err(error.into()))
}

fn stop_at_signals(stop: CancellationToken) -> Result<(), Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}
