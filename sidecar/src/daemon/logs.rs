//! Structured logs on standard error, one line a decision.

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// # Errors
/// A filter that cannot be parsed.
pub fn init(config: &LogConfig) -> Result<(), String> {
    let filter = EnvFilter::try_new(&config.filter)
        .map_err(|error| format!("invalid log.filter \"{}\": {error}", config.filter))?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    match config.format {
        LogFormat::Text => logs.init(),
        LogFormat::Json => logs.json().flatten_event(true).init(),
    }
    Ok(())
}
