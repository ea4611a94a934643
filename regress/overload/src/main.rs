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

/// Figures, or why a scenario failed.
pub type Outcome<T = String> = Result<T, Failure>;

/// Why a scenario failed, in words.
pub enum Failure {
    /// What must never happen has happened.
    Wrong(String),
    /// A time was missed. So it is when the machine does something else for a moment: it is tried again.
    Late(String),
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::Wrong(why)
    }
}

impl From<&str> for Failure {
    fn from(why: &str) -> Self {
        Self::Wrong(why.to_owned())
    }
}

/// The figures of what happened in time.
pub fn in_time(well: bool, figures: String) -> Outcome {
    if well {
        Ok(figures)
    } else {
        Err(Failure::Late(figures))
    }
}

/// Times that a scenario may run until it happens in time. What is always late stays so.
const TRIES: usize = 3;

/// Runs a scenario and prints how it ended; whether it ended well.
async fn tried(name: &str, scenario: impl AsyncFn() -> Outcome) -> bool {
    for number in 1..=TRIES {
        match scenario().await {
            Ok(figures) => {
                println!("ok      {name}: {figures}");
                return true;
            }
            Err(Failure::Late(why)) if number < TRIES => println!("late    {name}: {why}"),
            Err(Failure::Late(why) | Failure::Wrong(why)) => {
                println!("failed  {name}: {why}");
                break;
            }
        }
    }
    false
}

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
    let first = &nodes[0];
    let outcomes = [
        tried("a cancelled command has ended", async || {
            cancelled::run(first).await
        })
        .await,
        tried("a cancellation that is late", async || {
            cancelled::late(first).await
        })
        .await,
        tried("a network that is cut", async || cut::deadline(first).await).await,
        tried("a lost answer to COMMIT", async || cut::commit(first).await).await,
        tried("twice the capacity", async || overload::run(first).await).await,
        tried("a server that is stopped", async || {
            stopped::run(&nodes, &arguments.dir, arguments.rounds).await
        })
        .await,
    ];
    let passed = outcomes.iter().filter(|well| **well).count();
    let failed = outcomes.len() - passed;
    println!("{passed} passed, {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}
