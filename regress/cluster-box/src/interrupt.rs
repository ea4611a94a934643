//! Ctrl-C and SIGTERM: the run is dropped where it stands, and the caller cleans up.

use std::future::Future;

use tokio::signal::unix::{signal, SignalKind};

use crate::Error;

/// Runs `work` until it ends or the process is asked to stop.
///
/// # Errors
/// Those of `work`, or [`Error::Interrupted`].
pub async fn unless_interrupted<T>(
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let mut terminate =
        signal(SignalKind::terminate()).map_err(Error::io("listening for SIGTERM"))?;
    let mut hangup = signal(SignalKind::hangup()).map_err(Error::io("listening for SIGHUP"))?;
    tokio::select! {
        outcome = work => outcome,
        _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
        _ = terminate.recv() => Err(Error::Interrupted),
        _ = hangup.recv() => Err(Error::Interrupted),
    }
}
