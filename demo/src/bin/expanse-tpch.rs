//! `expanse-tpch`: TPC-H's 22 queries on a cluster of three nodes against one plain PostgreSQL.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use expanse_demo::cluster_box::{BoxOptions, ClusterBox};
use expanse_demo::interrupt::unless_interrupted;
use expanse_demo::plain::{beside, Plain};
use expanse_demo::queries::{self, QueriesOptions};

/// Compares answers and times of TPC-H's 22 queries with one plain PostgreSQL.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The command line of the cluster in a box
    #[arg(long, default_value = "expansectl", env = "EXPANSECTL")]
    expansectl: PathBuf,
    /// Says where PostgreSQL's programs are
    #[arg(long, default_value = "pg_config", env = "PG_CONFIG")]
    pg_config: PathBuf,
    /// Where the cluster lives, and with "-plain" after it the plain server; deleted at the
    /// beginning and at the end
    #[arg(long, default_value = "/tmp/expanse-tpch")]
    dir: PathBuf,
    /// First of the ports of the nodes; the plain server is nine above
    #[arg(long, default_value_t = 5540)]
    base_port: u16,
    /// TPC-H scale factor; 1 is a gigabyte
    #[arg(long, default_value_t = 0.1)]
    scale: f64,
    /// Times that each query runs; the fastest counts
    #[arg(long, default_value_t = 2)]
    times: usize,
    /// Seconds after which a query is given up
    #[arg(long, default_value_t = 60)]
    limit: u64,
    /// Only these queries
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=22))]
    queries: Vec<u8>,
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
    let mut plain = Plain::new(beside(&arguments.dir), arguments.base_port + 9);
    let numbers: Vec<usize> = match arguments.queries.as_slice() {
        [] => (1..=22).collect(),
        some => some.iter().copied().map(usize::from).collect(),
    };
    let options = QueriesOptions {
        pg_config: arguments.pg_config.clone(),
        scale: arguments.scale,
        times: arguments.times,
        limit: Duration::from_secs(arguments.limit),
        numbers,
    };
    let mut outcome = unless_interrupted(queries::run(&cluster, &mut plain, &options)).await;
    for cleaned in [cluster.down().await, plain.down().await] {
        outcome = outcome.and(cleaned);
    }
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nNot equal: {error}");
            ExitCode::FAILURE
        }
    }
}
