//! After a local rollback: the nodes' parts are rolled back too.

use crate::remote::connection::Connection;
use crate::remote::participant::Scope;
use crate::remote::pool;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long the clean-up after an error may take before a connection is closed instead.
pub const CLEANUP: Duration = Duration::from_secs(5);

/// The transaction has been rolled back. Never raises.
pub fn after() {
    crate::remote::exact_values::end();
    let involved = pool::involved();
    if involved.is_empty() {
        return;
    }
    let deadline = Instant::now() + CLEANUP;
    for connection in &involved {
        if let Ok(mut connection) = connection.try_borrow_mut() {
            begin_rollback(&mut connection, deadline);
        }
    }
    for connection in &involved {
        finish(connection, deadline);
    }
    pool::forget_lost();
}

fn begin_rollback(connection: &mut Connection, deadline: Instant) {
    connection.settings.forget();
    if connection.lost || !cancel_and_discard(connection, deadline) {
        return;
    }
    let sql = match (
        &connection.participant.prepared_as,
        connection.participant.scope,
    ) {
        (Some(name), _) => format!("ROLLBACK PREPARED '{name}'"),
        (None, Scope::None) => return,
        (None, _) => "ROLLBACK".into(),
    };
    if !connection.send_control(&sql) {
        connection.lost = true;
    }
}

fn finish(connection: &Rc<RefCell<Connection>>, deadline: Instant) {
    let Ok(mut connection) = connection.try_borrow_mut() else {
        return;
    };
    let mut known = !connection.lost && connection.discard(deadline);
    if known && connection.participant.prepared_as.is_some() {
        // Its PREPARE may have failed: then the transaction was open, or is gone already.
        connection.take_failure();
        known = connection.pq.idle()
            || (connection.send_control("ROLLBACK") && connection.discard(deadline));
    }
    connection.participant.ended();
    connection.lost |= !known || !connection.pq.idle();
}

/// Stops what runs on the connection and throws its answers away. False when it has to be closed.
pub fn cancel_and_discard(connection: &mut Connection, deadline: Instant) -> bool {
    if connection.lost {
        return false;
    }
    if !connection.idle() {
        // A statement that has ended already, or is about to, need not be cancelled.
        let grace = Instant::now() + Duration::from_millis(1);
        if connection.has_ended_by(grace) {
            return true;
        }
        connection.pq.cancel();
    }
    let usable = connection.discard(deadline);
    connection.lost |= !usable;
    usable
}
