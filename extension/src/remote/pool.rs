//! The backend's connections: one for each (node, user).

use crate::error::Error;
use crate::metadata::cache::{metadata, Node, NodeId};
use crate::pg::session;
use crate::pg::session::transaction::has_one_snapshot;
use crate::remote::connect::connect;
use crate::remote::connection::Connection;
use crate::remote::participant::{Participant, Scope};
use pgrx::pg_sys;
use std::cell::RefCell;
use std::rc::Rc;

thread_local! {
    static CONNECTIONS: RefCell<Vec<Rc<RefCell<Connection>>>> = const { RefCell::new(Vec::new()) };
}

/// The connection to a node as the current user, idle or streaming; with nothing outstanding when it returns.
pub fn connection(node: NodeId) -> Rc<RefCell<Connection>> {
    if session::is_parallel_worker() {
        Error::Internal("a parallel worker has asked for a connection".into()).raise();
    }
    let known = metadata().unwrap_or_else(|| Error::NotInitialized.raise());
    let Some(target) = known.nodes.get(&node) else {
        let node = format!("{node}");
        Error::UnknownNode { node }.raise()
    };
    if let Some(found) = existing(node) {
        if make_ready(&mut found.borrow_mut(), target) {
            return found;
        }
        remove(&found);
    }
    refuse_inactive(target);
    open(target, session::user())
}

/// False when the connection is to be replaced by a new one.
fn make_ready(connection: &mut Connection, target: &Node) -> bool {
    if connection.participant.in_transaction() {
        if connection.lost {
            connection.raise_lost();
        }
        connection.settle();
        return true;
    }
    if connection.lost {
        return false;
    }
    refuse_inactive(target);
    if !connection.idle() {
        connection.settle();
        return true;
    }
    connection.port == target.port && connection.host == target.host && !connection.gone()
}

fn refuse_inactive(target: &Node) {
    if target.state == "inactive" {
        let node = target.name.clone();
        Error::NodeInactive { node }.raise();
    }
}

fn open(target: &Node, user: pg_sys::Oid) -> Rc<RefCell<Connection>> {
    let pq = connect(&target.host, target.port, &own_name(), true).unwrap_or_else(|reason| {
        Error::Unreachable {
            node: target.name.clone(),
            host: target.host.clone(),
            port: target.port,
            reason,
        }
        .raise()
    });
    let connection = Rc::new(RefCell::new(Connection::new(pq, target, user)));
    CONNECTIONS.with_borrow_mut(|connections| connections.push(connection.clone()));
    connection
}

/// This session, as other nodes are told and `expanse.wait_edges` reads it.
fn own_name() -> String {
    let known = metadata().unwrap_or_else(|| Error::NotInitialized.raise());
    let node = known.nodes.get(&known.local_node);
    let name = node.map_or("", |node| &node.name);
    format!("{name}:{}", session::process_id())
}

fn remove(connection: &Rc<RefCell<Connection>>) {
    CONNECTIONS.with_borrow_mut(|connections| connections.retain(|c| !Rc::ptr_eq(c, connection)));
}

/// Those that take part in the running transaction or have something outstanding. Never raises.
pub fn involved() -> Vec<Rc<RefCell<Connection>>> {
    CONNECTIONS.with_borrow(|connections| {
        connections
            .iter()
            .filter(|c| {
                c.try_borrow()
                    .is_ok_and(|c| c.participant.in_transaction() || !c.idle() || c.lost)
            })
            .cloned()
            .collect()
    })
}

/// Closes the connections that are lost. Never raises.
pub fn forget_lost() {
    CONNECTIONS.with_borrow_mut(|connections| {
        connections.retain(|c| c.try_borrow().map_or(true, |c| !c.lost));
    });
}

/// Is there a connection to each of these nodes whose part of the transaction passes the test?
pub fn all_exist(nodes: &[NodeId], passes: impl Fn(&Participant) -> bool) -> bool {
    nodes.iter().all(|&node| {
        existing(node).is_some_and(|c| c.try_borrow().is_ok_and(|c| passes(&c.participant)))
    })
}

/// Has the transaction begun on a node?
pub fn in_transaction(node: NodeId) -> bool {
    existing(node).is_some_and(|c| {
        c.try_borrow()
            .is_ok_and(|c| c.participant.scope == Scope::Transaction)
    })
}

/// Another role under which the running transaction has written on this connection's node. (The connection itself is
/// in use.)
pub fn written_by_another(this: &Connection) -> Option<pg_sys::Oid> {
    CONNECTIONS.with_borrow(|connections| {
        connections
            .iter()
            .filter_map(|c| c.try_borrow().ok())
            .find(|c| c.node == this.node && c.user != this.user && c.participant.wrote)
            .map(|c| c.user)
    })
}

/// A node (its name) on which the running transaction has begun under another role than the current one, and that role.
pub fn used_by_another() -> Option<(String, pg_sys::Oid)> {
    let user = session::user();
    CONNECTIONS.with_borrow(|connections| {
        connections
            .iter()
            .filter_map(|c| c.try_borrow().ok())
            .find(|c| c.user != user && c.participant.scope == Scope::Transaction)
            .map(|c| (c.node_name.clone(), c.user))
    })
}

/// Has the running transaction begun on another connection than this one (which is in use)?
pub fn others_in_transaction(this: &Connection) -> bool {
    CONNECTIONS.with_borrow(|connections| {
        connections
            .iter()
            .filter_map(|c| c.try_borrow().ok())
            .any(|c| {
                (c.node, c.user) != (this.node, this.user)
                    && c.participant.scope == Scope::Transaction
            })
    })
}

/// Makes the next shared read on a node take a new snapshot; false when the transaction keeps one. With `begun`, nothing
/// has been done in the transaction there, and it may begin anew.
pub fn renew_snapshot(node: NodeId, begun: bool) -> bool {
    let Some(connection) = existing(node) else {
        return true;
    };
    let mut connection = connection.borrow_mut();
    if connection.participant.scope == Scope::Transaction {
        connection.participant.stale = begun;
        return begun || !has_one_snapshot();
    }
    connection.participant.stale = connection.participant.in_transaction();
    true
}

/// The current user's connection to a node, if there is one, as it is.
fn existing(node: NodeId) -> Option<Rc<RefCell<Connection>>> {
    let user = session::user();
    CONNECTIONS.with_borrow(|connections| {
        connections
            .iter()
            .find(|c| {
                c.try_borrow()
                    .is_ok_and(|c| c.node == node && c.user == user)
            })
            .cloned()
    })
}
