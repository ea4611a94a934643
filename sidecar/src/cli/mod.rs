//! `expansectl`: the command line. One file a verb; all of them speak SQL to a node, except `dev`.

mod connect;
mod dev;
mod error;
mod expand;
mod plan;
mod rebind;
mod requests;
mod shrink;
mod status;
mod storage;
mod table;
mod views;
mod wait;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use connect::Target;
pub use error::CliError;

/// The command line of Expanse.
#[derive(Parser)]
#[command(version, about = "PostgreSQL that grows while it is in use")]
struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// The cluster at a glance: nodes, maps, running operations
    Status,
    /// The nodes
    Nodes,
    /// The hash maps and who owns how many buckets of them
    Maps,
    /// The distributed and replicated tables
    Tables,
    /// The operations, running and finished
    Operations,
    /// What should happen and does not: why, since when, what to do
    Blocked,
    /// How the sidecar of this node runs commands on the nodes
    Executor,
    /// Add servers to the cluster
    Expand(expand::Expand),
    /// Let nodes leave the cluster
    Shrink(shrink::Shrink),
    /// Move a table's group, or all of them, to the current hash map
    Rebind(rebind::Rebind),
    /// Tablespaces that every node has
    #[command(subcommand)]
    Storage(storage::Storage),
    /// Undo an operation that has not finished
    Cancel { operation: i64 },
    /// Pause an operation where it is
    Pause { operation: i64 },
    /// Resume a paused operation
    Resume { operation: i64 },
    /// Go back to the old hash map after the switch of a rebind
    Reverse { operation: i64 },
    /// Let a rebind that can still be reversed delete the old copies now
    Finish { operation: i64 },
    /// A cluster in a box on this machine
    #[command(subcommand)]
    Dev(dev::Dev),
}

/// Runs the program.
pub async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let json = arguments.json;
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.print(json);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), CliError> {
    let Arguments { target, json, verb } = arguments;
    match verb {
        Verb::Dev(dev) => dev::run(dev, json).await,
        Verb::Status => status::run(&target, json).await,
        Verb::Nodes => views::run(&target, json, &views::NODES).await,
        Verb::Maps => views::run(&target, json, &views::MAPS).await,
        Verb::Tables => views::run(&target, json, &views::TABLES).await,
        Verb::Operations => views::run(&target, json, &views::OPERATIONS).await,
        Verb::Blocked => views::run(&target, json, &views::BLOCKED).await,
        Verb::Executor => views::run(&target, json, &views::EXECUTOR).await,
        Verb::Expand(expand) => expand::run(&target, json, &expand).await,
        Verb::Shrink(shrink) => shrink::run(&target, json, &shrink).await,
        Verb::Rebind(rebind) => rebind::run(&target, json, &rebind).await,
        Verb::Storage(storage) => storage::run(&target, json, &storage).await,
        Verb::Cancel { operation } => requests::run(&target, json, "cancel", operation).await,
        Verb::Pause { operation } => requests::run(&target, json, "pause", operation).await,
        Verb::Reverse { operation } => requests::run(&target, json, "reverse", operation).await,
        Verb::Finish { operation } => requests::run(&target, json, "finish", operation).await,
        Verb::Resume { operation } => requests::run(&target, json, "resume", operation).await,
    }
}
