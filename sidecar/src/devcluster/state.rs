//! What belongs to a box, kept in `DIR/box.json`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::BoxError;
use crate::coordination::server::Ports;

/// Servers of an ensemble: one may fail.
pub const ENSEMBLE: usize = 3;

/// Where the nodes of the box agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Coordination {
    /// The embedded directory.
    Dir,
    /// A ZooKeeper server in the box.
    Zookeeper,
    /// Three ZooKeeper servers in the box.
    Ensemble,
}

/// One server of the box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoxNode {
    pub name: String,
    pub host: String,
    pub port: u16,
}

/// The box.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    #[serde(skip)]
    pub directory: PathBuf,
    pub base_port: u16,
    pub coordination: Coordination,
    /// Address of the store; known once it has been started.
    pub coordination_url: Option<String>,
    pub bin_dir: PathBuf,
    pub nodes: Vec<BoxNode>,
}

impl State {
    /// The box in `directory`; `None` if there is none.
    ///
    /// # Errors
    /// [`BoxError::Io`]; [`BoxError::Damaged`].
    pub fn load(directory: &Path) -> Result<Option<State>, BoxError> {
        let path = file(directory);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(BoxError::io(path)(error)),
        };
        let mut state: State = serde_json::from_str(&text).map_err(|error| BoxError::Damaged {
            path,
            reason: error.to_string(),
        })?;
        state.directory = directory.to_owned();
        Ok(Some(state))
    }

    /// Writes the box down.
    ///
    /// # Errors
    /// [`BoxError::Io`].
    pub fn save(&self) -> Result<(), BoxError> {
        let path = file(&self.directory);
        let text = serde_json::to_string_pretty(self).expect("the state is plain data");
        let new = path.with_extension("new");
        fs::write(&new, text).map_err(BoxError::io(&new))?;
        fs::rename(&new, &path).map_err(BoxError::io(&path))
    }

    /// Adds the next server: n1, n2, ... on consecutive ports.
    pub fn push_node(&mut self) -> BoxNode {
        let index = self.nodes.len() as u16;
        let node = BoxNode {
            name: format!("n{}", index + 1),
            host: "127.0.0.1".into(),
            port: self.base_port + index,
        };
        self.nodes.push(node.clone());
        node
    }

    pub fn node_dir(&self, node: &BoxNode) -> PathBuf {
        self.directory.join(&node.name)
    }

    /// Where ZooKeeper lives; each server of an ensemble in a directory `1` to `3` below it.
    pub fn zookeeper_dir(&self) -> PathBuf {
        self.directory.join("zookeeper")
    }

    /// The ports of the servers of an ensemble: below the nodes', so that added ones do not meet them.
    pub fn ensemble_ports(&self) -> [Ports; ENSEMBLE] {
        std::array::from_fn(|index| {
            let first = self.base_port - 3 * (index as u16 + 1);
            Ports {
                client: first,
                peer: first + 1,
                election: first + 2,
            }
        })
    }
}

fn file(directory: &Path) -> PathBuf {
    directory.join("box.json")
}
