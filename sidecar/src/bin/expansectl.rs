//! The command line.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    expanse_sidecar::cli::main().await
}
