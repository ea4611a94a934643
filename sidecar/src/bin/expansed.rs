//! The sidecar daemon.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use expanse_sidecar::{config, daemon};

/// The sidecar of an Expanse node: membership, status and operations.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Configuration file (TOML).
    #[arg(long, short, env = "EXPANSE_CONFIG")]
    config: Option<PathBuf>,
    /// Sets a field over file and environment: section.field=value.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Prints a configuration file with every field and its default.
    #[arg(long)]
    print_sample: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.print_sample {
        print!("{}", config::sample());
        return ExitCode::SUCCESS;
    }
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("expansed: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), String> {
    let read = move || {
        let environment = |name: &str| std::env::var(name).ok();
        config::load(
            arguments.config.as_deref(),
            environment,
            &arguments.settings,
        )
    };
    let config = read().map_err(|error| error.to_string())?;
    daemon::init_logs(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime
        .block_on(daemon::run(config, Arc::new(read)))
        .map_err(|error| error.to_string())
}
