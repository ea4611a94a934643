//! `dev add`: one more server, not yet in the cluster.

use std::path::Path;

use super::state::{BoxNode, State};
use super::{server, sidecar, up, BoxError};
use crate::devcluster::owner::Owner;
use crate::devcluster::programs::Programs;

/// Starts one more server with its sidecar.
///
/// # Errors
/// [`BoxError::NoBox`]; any other if the server does not start: it is removed again then.
pub async fn add(directory: &Path) -> Result<BoxNode, BoxError> {
    let directory = std::path::absolute(directory).map_err(BoxError::io(directory))?;
    let Some(mut state) = State::load(&directory)? else {
        return Err(BoxError::NoBox { directory });
    };
    up::start_coordination(&mut state).await?;
    let node = state.push_node();
    if let Err(error) = up::start_node(&state, &node) {
        remove(&state, &node);
        return Err(error);
    }
    state.save()?;
    Ok(node)
}

fn remove(state: &State, node: &BoxNode) {
    let directory = state.node_dir(node);
    sidecar::stop(&directory);
    if let (Ok(owner), Ok(programs)) = (
        Owner::find(),
        Programs::at(state.bin_dir.clone(), &state.bin_dir),
    ) {
        // The first failure has been reported; this one would only hide it.
        let _ = server::stop(state, node, &programs, &owner, server::Ending::AtOnce);
    }
    let _ = std::fs::remove_dir_all(directory);
}
