//! The executor pool under stress, against real servers. See the README beside it.
#![forbid(unsafe_code)]

mod cancelled;
mod cut;
mod load;
mod overload;
mod proxy;
mod stopped;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use expanse_sidecar::alarms::{channel, Alarms};
use expanse_sidecar::config::{ExecutorConfig, PostgresConfig};
use expanse_sidecar::executor::Executor;
use expanse_sidecar::postgres::NodeAddress;

/// Stresses the executor pool.
#[derive(Parser)]
struct Arguments {
    /// Directory of a running cluster in a box with at least three nodes
    #[arg(long)]
    dir: PathBuf,
    /// Port of its first node
    #[arg(long)]
    base_port: u16,
    /// Rounds of stopping a server
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// What went wrong, in words.
pub type Outcome = Result<String, String>;

fn node(base_port: u16, number: u16) -> NodeAddress {
    NodeAddress {
        node_name: format!("n{number}"),
        host: "127.0.0.1".into(),
        port: base_port + number - 1,
    }
}

fn executor(config: &ExecutorConfig) -> Executor {
    Executor::new(PostgresConfig::default(), config, Alarms::new(channel().0))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let nodes = [1, 2, 3].map(|number| node(arguments.base_port, number));
    let outcomes = [
        (
            "a cancelled command has ended",
            cancelled::run(&nodes[0]).await,
        ),
        (
            "a cancellation that is late",
            cancelled::late(&nodes[0]).await,
        ),
        ("a network that is cut", cut::deadline(&nodes[0]).await),
        ("a lost answer to COMMIT", cut::commit(&nodes[0]).await),
        ("twice the capacity", overload::run(&nodes[0]).await),
        (
            "a server that is stopped",
            stopped::run(&nodes, &arguments.dir, arguments.rounds).await,
        ),
    ];
    let mut failed = 0;
    for (name, outcome) in &outcomes {
        match outcome {
            Ok(figures) => println!("ok      {name}: {figures}"),
            Err(why) => {
                failed += 1;
                println!("failed  {name}: {why}");
            }
        }
    }
    println!("{} passed, {failed} failed", outcomes.len() - failed);
    ExitCode::from(u8::from(failed > 0))
}
