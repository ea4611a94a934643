//! Levels on a cluster of their own.

use std::path::PathBuf;
use std::sync::Arc;

use expanse_cluster_box::cluster_box::ClusterBox;
use expanse_cluster_box::ports::Block;
use expanse_scenarios::kit::block_on;

use crate::environment::{Environment, Log};
use crate::error::Error;
use crate::logs;
use crate::report::Tests;

/// What cluster a level needs.
pub struct Wanted<'a> {
    pub level: &'a str,
    pub nodes: u16,
    pub coordination: &'a str,
    /// Environment variables of servers and sidecars.
    pub variables: &'a [(&'a str, PathBuf)],
}

impl<'a> Wanted<'a> {
    pub fn nodes(level: &'a str, nodes: u16) -> Self {
        Self {
            level,
            nodes,
            coordination: "dir",
            variables: &[],
        }
    }
}

/// A cluster that runs.
pub struct Running {
    pub cluster: Arc<ClusterBox>,
    pub ports: Block,
}

impl Running {
    pub fn port(&self) -> u16 {
        self.ports.base()
    }

    pub fn directory(&self) -> &PathBuf {
        &self.cluster.options().dir
    }
}

/// Starts a cluster, runs the work on it, looks at its logs (one more test), and removes it.
///
/// # Errors
/// [`Error`] of the cluster or of the work.
pub fn on_cluster(
    wanted: &Wanted,
    environment: &Environment,
    log: &Log,
    work: impl FnOnce(&Running) -> Result<Tests, Error>,
) -> Result<Tests, Error> {
    let ports = environment.ports()?;
    let cluster = environment.cluster(
        wanted.level,
        wanted.nodes,
        wanted.coordination,
        &ports,
        wanted.variables,
    );
    let running = Running { cluster, ports };
    let tests = block_on(running.cluster.up())
        .map_err(Error::from)
        .and_then(|_| work(&running))
        .unwrap_or_else(|error| {
            log.note(&error);
            Tests::FAILED
        });
    let logs = logs::check(wanted.level, running.directory(), log);
    block_on(running.cluster.close())?;
    Ok(tests + logs?)
}
