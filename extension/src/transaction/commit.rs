//! Before and after the local commit.

use crate::error::{Error, Raised};
use crate::metadata::cache::metadata;
use crate::pg::session::transaction;
use crate::pg::session::transaction::Isolation;
use crate::pg::wait::{check_for_interrupts, interrupted};
use crate::remote::connection::{Connection, Event};
use crate::remote::participant::Scope;
use crate::remote::pool;
use crate::transaction::fault;
use crate::transaction::{abort, record, serializable, statement};
use crate::transaction::{commit_barrier, report};
use expanse_core::snapshots::member;
use expanse_core::TransactionName;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

type Shared = Rc<RefCell<Connection>>;

/// How long COMMIT PREPARED is waited for before it is left to recovery.
const FOLLOW_UP: Duration = Duration::from_secs(30);

thread_local! {
    /// The transaction that is being committed over several nodes.
    static DECIDING: Cell<Option<TransactionName>> = const { Cell::new(None) };
}

/// Before the local commit: everything that may still fail. May raise.
pub fn before() {
    DECIDING.set(None);
    let involved = pool::involved();
    if involved.is_empty() {
        return;
    }
    serializable::refuse_mixed();
    statement::end_reads(|_| true);
    let mut written: Vec<Shared> = Vec::new();
    for connection in involved {
        if settle(&mut connection.borrow_mut()) {
            written.push(connection);
        }
    }
    match written.as_slice() {
        [] => {}
        [only] if !transaction::has_id() => commit_there(&mut only.borrow_mut()),
        several => prepare(several),
    }
}

/// Ends what only read. True when the connection has written.
fn settle(connection: &mut Connection) -> bool {
    let serializable = transaction::isolation() == Isolation::Serializable;
    match connection.participant.scope {
        Scope::None => return false,
        Scope::Transaction if connection.lost => connection.raise_lost(),
        Scope::Transaction if connection.participant.wrote => {
            connection.settle();
            if !connection.pq.in_healthy_block() {
                let node = &connection.node_name;
                Error::Internal(format!("the transaction on node \"{node}\" has failed")).raise();
            }
            return true;
        }
        Scope::Transaction if serializable => {
            // Even a reader can be what makes others fail, and has to hear that it is not.
            connection.settle();
            commit_there(connection);
            return false;
        }
        _ => {}
    }
    if abort::cancel_and_discard(connection, Instant::now() + abort::CLEANUP) {
        connection.participant.ended();
        connection.lost |= !connection.send_control("COMMIT");
    }
    connection.participant.ended();
    false
}

/// One node has written and nothing was written here: the commit there is the commit.
fn commit_there(connection: &mut Connection) {
    let unknown = |connection: &mut Connection| -> ! {
        connection.lost = true;
        let node = connection.node_name.clone();
        Error::OutcomeUnknown { node }.raise()
    };
    if !connection.send_control("COMMIT") {
        unknown(connection);
    }
    loop {
        match connection.poll() {
            Event::Finished => break,
            Event::Blocked => {
                connection.wait_quietly(Instant::now() + FOLLOW_UP);
                if interrupted() {
                    unknown(connection);
                }
            }
            Event::Rows(_) => {}
            Event::CopyIn | Event::Lost => unknown(connection),
        }
    }
    let failure = connection.take_failure();
    connection.participant.ended();
    if let Some(failure) = failure {
        failure.raise();
    }
}

/// PREPARE TRANSACTION on all, at once, and the record of the decision.
fn prepare(written: &[Shared]) {
    fault::point("before_prepare");
    let name = new_name();
    let members = written.iter().fold(member(name.coordinator), |all, c| {
        all | member(c.borrow().node)
    });
    for (n, connection) in written.iter().enumerate() {
        let mut connection = connection.borrow_mut();
        let part = name.part(n + 1);
        let sent = connection.send_control(&format!(
            "SELECT expanse.announce_transaction('{name}', {}); PREPARE TRANSACTION '{part}'",
            members as i64
        ));
        connection.participant.prepared_as = Some(part);
        if !sent {
            connection.raise_lost();
        }
    }
    // While the nodes prepare. The commit must be on disk before any of them commits.
    record::write(&name);
    record_here(&name, members);
    transaction::force_synchronous_commit();
    let mut failure: Option<Raised> = None;
    for connection in written {
        let mut connection = connection.borrow_mut();
        while !await_answer(&mut connection) {
            check_for_interrupts();
        }
        if connection.lost {
            connection.raise_lost();
        }
        if let Some(failed) = connection.take_failure() {
            failure.get_or_insert(failed);
        }
        fault::point("during_prepare");
    }
    if let Some(failure) = failure {
        failure.raise();
    }
    fault::point("after_prepare");
    commit_barrier::enter();
    DECIDING.set(Some(name));
    fault::point("before_local_commit");
}

/// Readers on this node must know the transaction before they can see it.
fn record_here(name: &TransactionName, members: u64) {
    let xid = transaction::id_if_any().into_inner();
    report::remember(&name.to_string(), members, xid);
}

/// True when the answer has come, or never will (the connection is lost then).
fn await_answer(connection: &mut Connection) -> bool {
    loop {
        match connection.poll() {
            Event::Finished | Event::Lost => return true,
            Event::Rows(_) => {}
            Event::CopyIn => connection.lost = true,
            Event::Blocked => {
                connection.wait_quietly(Instant::now() + FOLLOW_UP);
                if interrupted() {
                    return false;
                }
            }
        }
    }
}

fn new_name() -> TransactionName {
    let coordinator = metadata()
        .unwrap_or_else(|| Error::NotInitialized.raise())
        .local_node;
    TransactionName {
        coordinator,
        xid: transaction::full_id(),
        start: transaction::started_at(),
    }
}

/// After the local commit. Never raises: recovery finishes what cannot be finished here.
pub fn after() {
    let Some(name) = DECIDING.take() else {
        pool::forget_lost();
        return;
    };
    fault::point("after_local_commit");
    let prepared: Vec<Shared> = pool::involved()
        .into_iter()
        .filter(|c| c.borrow().participant.prepared_as.is_some())
        .collect();
    fault::point("before_commit_prepared");
    for connection in &prepared {
        let mut connection = connection.borrow_mut();
        if let Some(part) = connection.participant.prepared_as.clone() {
            let sent = connection.send_control(&format!("COMMIT PREPARED '{part}'"));
            connection.lost |= !sent;
        }
    }
    let deadline = Instant::now() + FOLLOW_UP;
    let mut complete = true;
    for connection in &prepared {
        complete &= follow_up(&mut connection.borrow_mut(), deadline);
        fault::point("during_commit_prepared");
    }
    if complete {
        record::finished(name);
    }
    pool::forget_lost();
}

/// True when the node has committed its part.
fn follow_up(connection: &mut Connection, deadline: Instant) -> bool {
    while !connection.idle() && !connection.lost {
        match connection.poll() {
            Event::Blocked => connection.lost |= !connection.wait_patiently(deadline),
            Event::CopyIn => connection.lost = true,
            Event::Rows(_) | Event::Finished | Event::Lost => {}
        }
    }
    let failure = connection.take_failure();
    let part = connection
        .participant
        .prepared_as
        .take()
        .unwrap_or_default();
    connection.participant.ended();
    let reason = match failure {
        // Recovery was quicker.
        Some(failure) if failure.sqlstate == "42704" => return true,
        // Recovery is at it at this very moment.
        Some(failure) if failure.sqlstate == "55000" => return false,
        Some(failure) => failure.message,
        None if connection.lost => "the connection was lost".into(),
        None => return true,
    };
    let warning = Raised {
        severity: Some("WARNING".into()),
        sqlstate: "01000".into(),
        message: format!(
            "transaction {part} is committed, but node \"{}\" has not confirmed it: {reason}",
            connection.node_name
        ),
        hint: Some("It is finished there by recovery.".into()),
        ..Raised::default()
    };
    warning.emit();
    false
}

/// The user's own PREPARE TRANSACTION.
pub fn refuse_prepare() {
    let wrote = pool::involved()
        .iter()
        .any(|connection| connection.borrow().participant.in_transaction());
    if wrote {
        Raised {
            sqlstate: "0A000".into(),
            message:
                "PREPARE TRANSACTION is not possible in a transaction that has used other nodes"
                    .into(),
            hint: Some("Use COMMIT: it is atomic over all nodes.".into()),
            ..Raised::default()
        }
        .raise();
    }
}
