//! Savepoints on the nodes follow those here.

use super::ABORT_TIMEOUT_MS;
use crate::executor::connection::{local_depth, Connection, Scope};
use crate::executor::{pool, stream};

/// The local subtransaction is about to commit.
pub fn release() {
    let level = local_depth();
    for shared in pool::all() {
        let mut connection = shared.borrow_mut();
        if !follows(&connection, level) {
            continue;
        }
        stream::release(&mut connection);
        connection.push(&format!("RELEASE SAVEPOINT expanse_{level}"));
        connection.end_round();
        connection.finish_round();
        connection.depth = level - 1;
        connection.raise_failure();
    }
}

/// The local subtransaction has been rolled back.
pub fn rollback() {
    let level = local_depth();
    crate::planner::scope::forget(level);
    pool::reset_shared_reads();
    for shared in pool::all() {
        let Ok(mut connection) = shared.try_borrow_mut() else {
            continue;
        };
        if connection.copy.take().is_some() {
            connection.broken = true;
        }
        super::abort::stop_statement(&mut connection);
        if !follows(&connection, level) || connection.broken {
            continue;
        }
        let back =
            format!("ROLLBACK TO SAVEPOINT expanse_{level}; RELEASE SAVEPOINT expanse_{level}");
        for statement in back.split("; ") {
            if !connection.try_push(statement) {
                connection.broken = true;
            }
        }
        connection.try_end_round();
        connection.settings.forget();
        let answered = connection.finish_quietly(ABORT_TIMEOUT_MS);
        connection.broken |= !answered || connection.failure.is_some();
        connection.failure = None;
        connection.depth = level - 1;
    }
}

fn follows(connection: &Connection, level: i32) -> bool {
    connection.scope == Scope::Transaction && connection.depth >= level
}
