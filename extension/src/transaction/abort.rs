//! The local transaction has been rolled back: so are the remote ones.

use super::{two_phase, ABORT_TIMEOUT_MS};
use crate::executor::connection::{Connection, Scope};
use crate::executor::pool;

/// Rolls back everywhere; never raises.
pub fn transaction() {
    crate::planner::scope::forget(0);
    pool::reset_shared_reads();
    super::consistency::agree::forget();
    let connections = pool::all();
    for shared in &connections {
        let Ok(mut connection) = shared.try_borrow_mut() else {
            continue;
        };
        connection.broken |= connection.copy.take().is_some();
        stop_statement(&mut connection);
        if !connection.broken && connection.scope != Scope::None {
            let statement = match connection.prepared_as.take() {
                Some(name) => two_phase::rollback_prepared(&name),
                None => "ROLLBACK".into(),
            };
            connection.broken |= !connection.try_push(&statement);
            connection.try_end_round();
        }
    }
    for shared in &connections {
        let usable = shared
            .try_borrow_mut()
            .is_ok_and(|mut connection| end(&mut connection));
        if !usable {
            // The node rolls back by itself when the connection closes; what it has prepared, recovery finishes.
            pool::forget(shared);
        }
    }
}

/// Waits for the node's answer; false: the connection is of no use any more.
fn end(connection: &mut Connection) -> bool {
    let answered = !connection.broken && connection.finish_quietly(ABORT_TIMEOUT_MS);
    let well = answered && connection.failure.is_none();
    connection.failure = None;
    connection.scope = Scope::None;
    connection.depth = 0;
    connection.wrote = false;
    connection.prepared_as = None;
    connection.stale_snapshot = false;
    connection.settings.forget();
    well
}

/// Cancels what runs on the connection and throws its answers away.
pub fn stop_statement(connection: &mut Connection) {
    let streaming = connection.reader.take().is_some();
    if !connection.handle.alive() {
        connection.broken = true;
    }
    if connection.broken || connection.steps.is_empty() {
        connection.discard = false;
        connection.failure = None;
        return;
    }
    if streaming {
        connection.handle.cancel();
    }
    connection.broken |= !connection.finish_quietly(ABORT_TIMEOUT_MS);
    connection.discard = false;
    connection.failure = None;
}
