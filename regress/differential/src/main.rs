//! The differential test: generated SQL on distributed and replicated tables must answer what the
//! same SQL answers on plain tables with the same rows, in the same database.
//!
//! The tables exist twice, in the schemas `plain` and `spread`; a statement names neither, and runs
//! once with each as the search path. Rows are compared as text and as a set (as a list where the
//! statement orders them fully); errors by SQLSTATE. After each write the content of the tables
//! is compared too. Every statement comes from a seed, so `--seed N --statements 1` repeats it.
#![forbid(unsafe_code)]

mod compare;
mod generate;
mod tables;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use expanse_cluster_box::cluster_box::{BoxOptions, ClusterBox};
use expanse_cluster_box::interrupt::unless_interrupted;
use expanse_cluster_box::pg::Server;
use expanse_cluster_box::Error;

use compare::{Comparison, Verdict};

/// Compares generated statements on distributed tables with the same on plain tables.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The command line of the cluster in a box
    #[arg(long, default_value = "expansectl", env = "EXPANSECTL")]
    expansectl: PathBuf,
    /// Where the servers live; deleted at the beginning and at the end
    #[arg(long, default_value = "/tmp/expanse-differential")]
    dir: PathBuf,
    #[arg(long, default_value_t = 5560)]
    base_port: u16,
    /// Use the cluster whose first node listens here, instead of a box of its own
    #[arg(long)]
    attach: Option<u16>,
    /// Seed of the first statement; the following ones count up
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 600)]
    statements: u64,
    /// Print every statement before it runs
    #[arg(long)]
    verbose: bool,
}

async fn run(arguments: &Arguments, cluster: &ClusterBox) -> Result<(), Error> {
    let node = match arguments.attach {
        Some(port) => Server::local("n1", port),
        None => cluster.up().await?.swap_remove(0),
    };
    let mut comparison = Comparison::begin(&node).await?;
    let (mut equal, mut errors, mut refused, mut wrong) = (0, 0, 0, 0);
    for seed in arguments.seed..arguments.seed + arguments.statements {
        let statement = generate::statement(seed);
        if arguments.verbose {
            println!("{seed}: {}", statement.sql);
        }
        match comparison.check(&statement, seed).await? {
            Verdict::Equal => equal += 1,
            Verdict::SameError(why) => {
                errors += 1;
                if arguments.verbose {
                    println!("  both: {why}");
                }
            }
            Verdict::Refused(_) if statement.writes => refused += 1,
            Verdict::Refused(why) => {
                wrong += 1;
                println!(
                    "seed {seed}: a SELECT was refused: {why}\n  {}",
                    statement.sql
                );
            }
            Verdict::Different(how) => {
                wrong += 1;
                println!("seed {seed}: {how}\n  {}", statement.sql);
            }
        }
    }
    println!(
        "{equal} answers equal, {errors} errors equal, {refused} writes refused, {wrong} wrong"
    );
    if wrong > 0 {
        return Err(Error::Wrong(format!(
            "{wrong} statements differ from plain tables"
        )));
    }
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let cluster = ClusterBox::new(BoxOptions {
        expansectl: arguments.expansectl.clone(),
        dir: arguments.dir.clone(),
        nodes: 3,
        base_port: arguments.base_port,
        coordination: "dir".into(),
    });
    let mut outcome = unless_interrupted(run(&arguments, &cluster)).await;
    if arguments.attach.is_none() {
        outcome = outcome.and(cluster.down().await);
    }
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("The differential test failed: {error}");
            ExitCode::FAILURE
        }
    }
}
