//! `dev up`: a running cluster.

use std::path::{Path, PathBuf};

use super::down::down;
use super::owner::Owner;
use super::programs::Programs;
use super::state::{BoxNode, Coordination, State};
use super::{server, sidecar, sql, BoxError};
use crate::coordination::server::{start_ensemble, ZooKeeperServer};

/// What to build.
#[derive(Debug, Clone)]
pub struct UpOptions {
    pub directory: PathBuf,
    pub nodes: u16,
    pub base_port: u16,
    pub coordination: Coordination,
    pub pg_config: Option<PathBuf>,
}

/// Makes the box run as described; what is there already is started again as it is. The nodes in the cluster.
///
/// # Errors
/// Any [`BoxError`]; a box that did not exist before is removed again then.
pub async fn up(options: &UpOptions) -> Result<Vec<BoxNode>, BoxError> {
    let directory =
        std::path::absolute(&options.directory).map_err(BoxError::io(&options.directory))?;
    let known = State::load(&directory)?;
    let new = known.is_none();
    let result = match known {
        Some(state) => bring_up(state, options.nodes).await,
        None => {
            refuse_foreign(&directory)?;
            bring_up(describe(options, directory.clone())?, options.nodes).await
        }
    };
    if result.is_err() && new {
        // The reason for the failure is what the caller wants to hear, not that of the clean-up.
        let _ = down(&directory, true).await;
    }
    result
}

fn refuse_foreign(directory: &Path) -> Result<(), BoxError> {
    let empty = match std::fs::read_dir(directory) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => true,
    };
    if empty {
        Ok(())
    } else {
        Err(BoxError::Foreign {
            directory: directory.to_owned(),
        })
    }
}

fn describe(options: &UpOptions, directory: PathBuf) -> Result<State, BoxError> {
    let programs = Programs::find(options.pg_config.as_deref())?;
    let state = State {
        directory,
        base_port: options.base_port,
        coordination: options.coordination,
        coordination_url: None,
        bin_dir: programs.bin_dir,
        nodes: Vec::new(),
    };
    Owner::find()?.make_dir(&state.directory)?;
    state.save()?;
    Ok(state)
}

async fn bring_up(mut state: State, wanted: u16) -> Result<Vec<BoxNode>, BoxError> {
    while state.nodes.len() < usize::from(wanted) {
        state.push_node();
    }
    start_coordination(&mut state).await?;
    state.save()?;
    for node in state.nodes.clone() {
        start_node(&state, &node)?;
        if node.name == "n1" {
            sql::init(&node).await?;
        }
    }
    let members: Vec<BoxNode> = state
        .nodes
        .iter()
        .take(usize::from(wanted))
        .cloned()
        .collect();
    for node in members.iter().skip(1) {
        sql::expand(&state.nodes[0], node).await?;
    }
    Ok(members)
}

/// Starts the store and remembers its address.
pub(super) async fn start_coordination(state: &mut State) -> Result<(), BoxError> {
    let url = match state.coordination {
        Coordination::Dir => {
            let path = state.directory.join("coordination");
            Owner::find()?.make_dir(&path)?;
            format!("dir://{}", path.display())
        }
        Coordination::Zookeeper => {
            // Below the servers' ports, so that added nodes do not meet it.
            let port = state.base_port - 1;
            let server = ZooKeeperServer::start(&state.zookeeper_dir(), port).await?;
            format!("{}/expanse", server.url())
        }
        Coordination::Ensemble => {
            let ports = state.ensemble_ports();
            start_ensemble(&state.zookeeper_dir(), &ports).await?;
            let hosts = ports.map(|ports| format!("127.0.0.1:{}", ports.client));
            format!("zookeeper://{}/expanse", hosts.join(","))
        }
    };
    state.coordination_url = Some(url);
    Ok(())
}

/// Starts a node's server and sidecar.
pub(super) fn start_node(state: &State, node: &BoxNode) -> Result<(), BoxError> {
    let own_dir = std::env::current_exe()
        .ok()
        .and_then(|path| path.canonicalize().ok())
        .and_then(|path| path.parent().map(Path::to_owned))
        .unwrap_or_default();
    let programs = Programs::at(state.bin_dir.clone(), &own_dir)?;
    let owner = Owner::find()?;
    server::create(state, node, &programs, &owner)?;
    server::start(state, node, &programs, &owner)?;
    sidecar::start(state, node, &programs, &owner)
}
