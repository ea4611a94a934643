//! `dev down`: the box stops.

use std::path::Path;

use super::owner::Owner;
use super::programs::Programs;
use super::server::{self, Ending};
use super::state::{State, ENSEMBLE};
use super::{sidecar, BoxError};
use crate::coordination::server::stop;

/// Stops everything of the box; with `purge`, deletes it. A box that does not exist is down.
///
/// # Errors
/// [`BoxError::Foreign`] instead of deleting a directory that is no box; [`BoxError::Program`], [`BoxError::Io`].
pub async fn down(directory: &Path, purge: bool) -> Result<(), BoxError> {
    let directory = std::path::absolute(directory).map_err(BoxError::io(directory))?;
    let Some(state) = State::load(&directory)? else {
        let foreign =
            std::fs::read_dir(&directory).is_ok_and(|mut entries| entries.next().is_some());
        return if foreign && purge {
            Err(BoxError::Foreign { directory })
        } else {
            Ok(())
        };
    };
    for node in &state.nodes {
        sidecar::stop(&state.node_dir(node));
    }
    if let Ok(programs) = Programs::at(state.bin_dir.clone(), &state.bin_dir) {
        let owner = Owner::find()?;
        let ending = if purge {
            Ending::AtOnce
        } else {
            Ending::Orderly
        };
        for node in &state.nodes {
            server::stop(&state, node, &programs, &owner, ending)?;
        }
    }
    stop(&state.zookeeper_dir()).await?;
    for member in 1..=ENSEMBLE {
        stop(&state.zookeeper_dir().join(member.to_string())).await?;
    }
    if purge {
        std::fs::remove_dir_all(&directory).map_err(BoxError::io(&directory))?;
    }
    Ok(())
}
