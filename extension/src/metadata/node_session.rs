//! Sessions of other nodes, known by the key that all nodes keep (`expanse.cluster.peer_key`).
//!
//! # Invariants
//! A session that shows a key is another node's or does nothing: taken for a user's, it would distribute a fragment again.

use crate::error::Error;
use crate::metadata::cache::metadata;
use crate::pg::session;
use crate::state::settings::{INTERNAL, PEER_KEY};
use std::cell::Cell;

thread_local! {
    /// Shown when the session began, so it holds until the session ends.
    static PROVEN: Cell<bool> = const { Cell::new(false) };
}

/// Has this session shown the cluster's key? Raises when it has shown another. False while this server is part of no
/// cluster, which has no tables that the answer matters for.
pub fn has_shown_key() -> bool {
    if PROVEN.get() {
        return true;
    }
    let Some(shown) = PEER_KEY.get() else {
        return false;
    };
    let Some(known) = metadata() else {
        return false;
    };
    if !same(shown.to_bytes(), known.peer_key.as_bytes()) {
        let what = "connect with expanse.peer_key";
        Error::NodesOnly { what }.raise();
    }
    PROVEN.set(true);
    true
}

/// For functions that other nodes call as the user they work for. Raises in the session of any other client.
pub fn require(what: &'static str) {
    if !is_internal() && !session::is_superuser() {
        Error::NodesOnly { what }.raise();
    }
}

/// Takes as long wherever the two differ.
fn same(shown: &[u8], known: &[u8]) -> bool {
    let differences = shown
        .iter()
        .zip(known)
        .fold(0, |differences, (a, b)| differences | (a ^ b));
    !known.is_empty() && shown.len() == known.len() && differences == 0
}

/// Does this session execute fragments for another node (or feed logical replication), so that
/// distributed tables are to be taken as the ordinary local tables they are here?
pub fn is_internal() -> bool {
    INTERNAL.get() || has_shown_key() || session::replicates()
}
