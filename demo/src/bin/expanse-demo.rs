//! `expanse-demo`: three nodes of TPC-H data become four while they are in use.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use expanse_demo::cluster_box::{BoxOptions, ClusterBox};
use expanse_demo::demo::{self, DemoOptions};
use expanse_demo::interrupt::unless_interrupted;
use expanse_demo::workload::WorkloadOptions;
use expanse_demo::Error;

/// Grows a cluster of TPC-H data from three nodes to four under load, and checks everything.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The command line of the cluster in a box
    #[arg(long, default_value = "expansectl", env = "EXPANSECTL")]
    expansectl: PathBuf,
    /// Where the servers live; deleted at the beginning and at the end
    #[arg(long, default_value = "/tmp/expanse-demo")]
    dir: PathBuf,
    /// First of the ports of the nodes
    #[arg(long, default_value_t = 5500)]
    base_port: u16,
    #[arg(long, default_value_t = 3)]
    nodes: u16,
    /// Where the nodes agree: `dir` (embedded) or `zookeeper`
    #[arg(long, default_value = "dir", value_parser = ["dir", "zookeeper"])]
    coordination: String,
    /// TPC-H scale factor; 1 is a gigabyte
    #[arg(long, default_value_t = 0.1)]
    scale: f64,
    #[arg(long, default_value_t = 4)]
    writers: usize,
    #[arg(long, default_value_t = 2)]
    readers: usize,
    /// Rest of a writer after each transaction, in milliseconds
    #[arg(long, default_value_t = 5)]
    pause_ms: u64,
    /// Seconds of work before and after the growth
    #[arg(long, default_value_t = 5)]
    calm: u64,
    /// Seconds that one operation may take
    #[arg(long, default_value_t = 600)]
    patience: u64,
    /// Leave the cluster running at the end
    #[arg(long)]
    keep: bool,
}

impl Arguments {
    fn options(&self) -> DemoOptions {
        let coordination = if self.coordination == "dir" {
            "embedded directory"
        } else {
            "ZooKeeper"
        };
        DemoOptions {
            scale: self.scale,
            workload: WorkloadOptions {
                writers: self.writers,
                readers: self.readers,
                pause: Duration::from_millis(self.pause_ms),
                seed: 42,
            },
            calm: Duration::from_secs(self.calm),
            patience: Duration::from_secs(self.patience),
            coordination: coordination.into(),
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let cluster = ClusterBox::new(BoxOptions {
        expansectl: arguments.expansectl.clone(),
        dir: arguments.dir.clone(),
        nodes: arguments.nodes,
        base_port: arguments.base_port,
        coordination: arguments.coordination.clone(),
    });
    let outcome = unless_interrupted(demo::run(&cluster, &arguments.options())).await;
    if let Err(error) = &outcome {
        eprintln!("\nThe demo failed: {error}");
    }
    if arguments.keep && !matches!(outcome, Err(Error::Interrupted)) {
        let port = arguments.base_port;
        println!("The cluster is still there: psql -h 127.0.0.1 -p {port} -U postgres postgres");
        println!(
            "To end it: expansectl dev down --purge --dir {}",
            arguments.dir.display()
        );
    } else if let Err(error) = cluster.down().await {
        eprintln!("Cleaning up failed: {error}");
        return ExitCode::FAILURE;
    }
    if outcome.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
