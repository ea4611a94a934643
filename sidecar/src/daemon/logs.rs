//! Structured logs on standard error, one line a decision.

use std::sync::OnceLock;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{reload, EnvFilter, Registry};

use crate::config::{LogConfig, LogFormat};

/// What changes the filter of the running daemon.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// # Errors
/// A filter that cannot be parsed.
pub fn init(config: &LogConfig) -> Result<(), String> {
    let (filter, handle) = reload::Layer::new(parse(&config.filter)?);
    FILTER.set(handle).ok();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false);
    let logs = tracing_subscriber::registry().with(filter);
    match config.format {
        LogFormat::Text => logs.with(lines).init(),
        LogFormat::Json => logs.with(lines.json().flatten_event(true)).init(),
    }
    Ok(())
}

/// Logs by another filter from now on.
///
/// # Errors
/// A filter that cannot be parsed; then nothing changes.
pub fn refilter(filter: &str) -> Result<(), String> {
    let parsed = parse(filter)?;
    match FILTER.get() {
        Some(handle) => handle.reload(parsed).map_err(|error| error.to_string()),
        None => Ok(()),
    }
}

fn parse(filter: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(filter).map_err(|error| format!("invalid log.filter \"{filter}\": {error}"))
}
