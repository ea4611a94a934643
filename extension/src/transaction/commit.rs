//! The local transaction commits: the remote ones before, with or after it.

use super::{fault, two_phase};
use crate::error::Error;
use crate::executor::connection::Scope;
use crate::executor::{pool, stream};
use pgrx::pg_sys;
use std::cell::RefCell;
use std::rc::Rc;

type Shared = Rc<RefCell<crate::executor::connection::Connection>>;

/// Before the local commit: reads end; one writer commits, several prepare.
pub fn before() {
    pool::reset_shared_reads();
    super::consistency::agree::release();
    let mut writers: Vec<Shared> = Vec::new();
    for shared in pool::all() {
        let mut connection = shared.borrow_mut();
        if connection.scope == Scope::None {
            continue;
        }
        stream::release(&mut connection);
        if connection.wrote {
            drop(connection);
            writers.push(shared);
        } else {
            // Its answer is taken when the connection is used next.
            connection.push("COMMIT");
            connection.end_round();
            reset(&mut connection);
        }
    }
    // SAFETY: reads the state of the running transaction.
    let wrote_here = unsafe { pg_sys::GetTopTransactionIdIfAny() } != pg_sys::InvalidTransactionId;
    match writers.as_slice() {
        [] => {}
        [writer] if !wrote_here => commit_one(writer),
        _ => two_phase::prepare(&writers),
    }
}

/// After the local commit, which was the decision.
pub fn after() {
    two_phase::commit_prepared();
}

/// A user's own PREPARE TRANSACTION has no place for the other nodes' parts.
pub fn before_prepare() {
    if pool::all().iter().any(|c| c.borrow().wrote) {
        Error::Unsupported {
            what: "PREPARE TRANSACTION".into(),
            kind: "distributed",
            relation: "the transaction's tables".into(),
            hint: "Use COMMIT, which is atomic over all nodes.".into(),
        }
        .raise();
    }
    before();
}

fn commit_one(writer: &Shared) {
    let mut connection = writer.borrow_mut();
    fault::point("before_remote_commit");
    connection.push("COMMIT");
    connection.end_round();
    connection.finish_round();
    if let Some(failure) = connection.take_failure() {
        if !connection.handle.alive() {
            let node = connection.node_name.clone();
            Error::OutcomeUnknown { node }.raise();
        }
        failure.raise();
    }
    reset(&mut connection);
}

/// The remote transaction is over.
pub fn reset(connection: &mut crate::executor::connection::Connection) {
    connection.scope = Scope::None;
    connection.depth = 0;
    connection.wrote = false;
    connection.stale_snapshot = false;
    connection.prepared_as = None;
}
