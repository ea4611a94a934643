//! Other nodes of the cluster, known by the key that all nodes keep (`expanse.cluster.peer_key`).
//!
//! # Invariants
//! A session that shows a key is another node's or does nothing: taken for a user's, it would spread a fragment again.

use crate::error::Error;
use crate::metadata::cache::metadata;
use crate::state::settings::{INTERNAL, PEER_KEY};
use pgrx::pg_sys;
use std::cell::Cell;

thread_local! {
    /// Shown when the session began, so it holds until the session ends.
    static PROVEN: Cell<bool> = const { Cell::new(false) };
}

/// Has this session shown the cluster's key? Raises when it has shown another. False while this server is part of no
/// cluster, which has no tables that the answer matters for.
pub fn proven() -> bool {
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
        Error::PeersOnly { what }.raise();
    }
    PROVEN.set(true);
    true
}

/// For functions that other nodes call as whatever user they work for. Raises in a session of anybody else.
pub fn require(what: &'static str) {
    // SAFETY: looks at the current user's role.
    if !internal_session() && !unsafe { pg_sys::superuser() } {
        Error::PeersOnly { what }.raise();
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
pub fn internal_session() -> bool {
    // SAFETY: plain flags of the backend.
    INTERNAL.get() || proven() || unsafe { pg_sys::am_walsender || pg_sys::IsLogicalWorker() }
}
