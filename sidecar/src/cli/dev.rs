//! `dev`: the cluster in a box.

use std::path::PathBuf;

use clap::Subcommand;

use super::CliError;
use crate::devcluster::{self, BoxNode, Coordination, UpOptions};

#[derive(Subcommand)]
pub enum Dev {
    /// Start a cluster (again)
    Up {
        /// Directory that holds all of it
        #[arg(long)]
        dir: PathBuf,
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=64))]
        nodes: u16,
        /// Port of the first node; the others follow
        #[arg(long, default_value_t = 5500)]
        base_port: u16,
        /// Where the nodes agree
        #[arg(long, value_enum, default_value = "dir")]
        coordination: Coordination,
        /// pg_config of the PostgreSQL to use
        #[arg(long, env = "PG_CONFIG")]
        pg_config: Option<PathBuf>,
    },
    /// Start one more server with its sidecar, not yet in the cluster
    Add {
        #[arg(long)]
        dir: PathBuf,
    },
    /// Stop all of it
    Down {
        #[arg(long)]
        dir: PathBuf,
        /// Delete it too
        #[arg(long)]
        purge: bool,
    },
}

/// Runs a verb of the box.
///
/// # Errors
/// [`CliError::Box`].
pub async fn run(dev: Dev, json: bool) -> Result<(), CliError> {
    match dev {
        Dev::Up {
            dir,
            nodes,
            base_port,
            coordination,
            pg_config,
        } => {
            let options = UpOptions {
                directory: dir,
                nodes,
                base_port,
                coordination,
                pg_config,
            };
            let nodes = devcluster::up(&options).await?;
            if json {
                println!("{}", serde_json::json!({ "nodes": nodes }));
            } else {
                nodes.iter().for_each(print);
                println!(
                    "psql -h 127.0.0.1 -p {} -U postgres postgres",
                    nodes[0].port
                );
            }
        }
        Dev::Add { dir } => {
            let node = devcluster::add(&dir).await?;
            if json {
                println!("{}", serde_json::json!(node));
            } else {
                print(&node);
            }
        }
        Dev::Down { dir, purge } => devcluster::down(&dir, purge).await?,
    }
    Ok(())
}

fn print(node: &BoxNode) {
    println!("{} {} {}", node.name, node.host, node.port);
}
