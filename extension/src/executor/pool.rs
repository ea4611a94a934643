//! The connections of this backend: one for each node and user.

use super::connection::{Connection, Scope};
use crate::catalog::{metadata, NodeId};
use crate::error::Error;
use pgrx::pg_sys;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

type Shared = Rc<RefCell<Connection>>;

thread_local! {
    static CONNECTIONS: RefCell<BTreeMap<(NodeId, u32), Shared>> = const { RefCell::new(BTreeMap::new()) };
    static SHARED_READS: Cell<u32> = const { Cell::new(0) };
}

/// The current user's connection to a node, opened when there is none.
pub fn connection(node: NodeId) -> Shared {
    // SAFETY: reads a field of the backend.
    let user = unsafe { pg_sys::GetUserId() }.to_u32();
    if let Some(found) = CONNECTIONS.with_borrow(|all| all.get(&(node, user)).cloned()) {
        let usable = found
            .try_borrow()
            .is_ok_and(|c| c.handle.alive() && !c.hung_up());
        if usable {
            return found;
        }
        let in_transaction = found.borrow().scope == Scope::Transaction;
        forget(&found);
        if in_transaction {
            lost(node).raise();
        }
    }
    let metadata = metadata().unwrap_or_else(|| Error::NotInitialized.raise());
    let Some(description) = metadata.nodes.get(&node) else {
        Error::UnknownNode {
            node: node.to_string(),
        }
        .raise()
    };
    if description.state == "inactive" {
        Error::NodeInactive {
            node: description.name.clone(),
        }
        .raise();
    }
    let opened = Rc::new(RefCell::new(Connection::open(description)));
    CONNECTIONS.with_borrow_mut(|all| all.insert((node, user), opened.clone()));
    opened
}

fn lost(node: NodeId) -> Error {
    let name = metadata().and_then(|m| m.nodes.get(&node).map(|n| n.name.clone()));
    Error::ConnectionLost {
        node: name.unwrap_or_else(|| node.to_string()),
        reason: "the transaction had begun there".into(),
    }
}

/// All connections, in node order.
pub fn all() -> Vec<Shared> {
    CONNECTIONS.with_borrow(|all| all.values().cloned().collect())
}

/// Gives a connection up; its socket closes with the last user.
pub fn forget(connection: &Shared) {
    CONNECTIONS.with_borrow_mut(|all| all.retain(|_, other| !Rc::ptr_eq(other, connection)));
}

/// One more scan shares its snapshots with the others of its statement.
pub fn shared_read_begins() {
    SHARED_READS.set(SHARED_READS.get() + 1);
}

/// After the last one, the next read takes a new snapshot.
pub fn shared_read_ends() {
    SHARED_READS.set(SHARED_READS.get().saturating_sub(1));
    if SHARED_READS.get() > 0 {
        return;
    }
    for connection in all() {
        if let Ok(mut connection) = connection.try_borrow_mut() {
            if connection.scope == Scope::Statement {
                connection.stale_snapshot = true;
            }
        }
    }
}

/// Forgets scans that an error ended.
pub fn reset_shared_reads() {
    SHARED_READS.set(0);
}

/// Streams and agreements of the running statement that share snapshots.
pub fn shared_reads() -> u32 {
    SHARED_READS.get()
}

/// Do these nodes hold a snapshot that the running statement shares?
pub fn snapshots_shared(nodes: &[NodeId]) -> bool {
    nodes.iter().all(|&node| {
        let connection = connection(node);
        let connection = connection.borrow();
        connection.scope != Scope::None && !connection.stale_snapshot
    })
}

/// Makes the next shared read on a node take a new snapshot; false when the transaction keeps one.
pub fn renew_snapshot(node: NodeId) -> bool {
    let connection = connection(node);
    let mut connection = connection.borrow_mut();
    match connection.scope {
        // SAFETY: reads the isolation level of the running transaction.
        Scope::Transaction => unsafe { pg_sys::XactIsoLevel < pg_sys::XACT_REPEATABLE_READ as i32 },
        Scope::Statement | Scope::None => {
            connection.stale_snapshot = true;
            true
        }
    }
}
