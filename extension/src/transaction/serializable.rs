//! SERIALIZABLE: on one node only.
//!
//! # How it works
//! PostgreSQL finds dangerous reads and writes within one server. Two transactions that meet on two nodes look harmless on
//! each of them. So a SERIALIZABLE transaction is refused as soon as a second node takes part: by its plan ([`refuse_several`]),
//! when a node joins ([`refuse_second`]), and, since reads of this node alone pass no code of ours, at its end
//! ([`refuse_mixed`]).

use crate::error::Error;
use crate::pg::session::transaction::{has_id, isolation, with_snapshot, Isolation};
use crate::pg::spi;
use crate::remote::connection::Connection;
use crate::remote::participant::Scope;
use crate::remote::pool;

/// Is this session's own transaction SERIALIZABLE?
fn applies() -> bool {
    isolation() == Isolation::Serializable && !crate::metadata::node_session::is_internal()
}

/// A statement is about to run on so many nodes.
pub fn refuse_several(nodes: usize) {
    if nodes > 1 && applies() {
        Error::SerializableOverNodes.raise();
    }
}

/// The transaction is about to begin on the node of this connection (which is in use).
pub fn refuse_second(joining: &Connection) {
    if applies() && pool::others_in_transaction(joining) {
        Error::SerializableOverNodes.raise();
    }
}

/// The transaction is about to commit: has it used another node, and this one as well?
pub fn refuse_mixed() {
    if !applies() {
        return;
    }
    let elsewhere = pool::involved()
        .iter()
        .any(|connection| connection.borrow().participant.scope == Scope::Transaction);
    if elsewhere && (has_id() || has_read_here()) {
        Error::SerializableOverNodes.raise();
    }
}

/// PostgreSQL keeps what a SERIALIZABLE transaction has read as locks.
fn has_read_here() -> bool {
    const SQL: &str =
        "WITH l AS MATERIALIZED (SELECT * FROM pg_locks WHERE pid = pg_backend_pid()) \
        SELECT EXISTS (SELECT FROM l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace \
        WHERE l.mode = 'SIReadLock' AND n.nspname NOT IN ('expanse', 'pg_catalog') \
        AND l.virtualtransaction IN (SELECT virtualxid FROM l WHERE locktype = 'virtualxid'))";
    // A commit has no active snapshot left.
    with_snapshot(|| spi::with_settings(&[(c"search_path", c"pg_catalog")], || spi::holds(SQL)))
}
