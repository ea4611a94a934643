//! Subtransactions: released and rolled back on the nodes that know them.

use crate::remote::connection::Connection;
use crate::remote::participant::Scope;
use crate::remote::pool;
use crate::transaction::abort::{cancel_and_discard, CLEANUP};
use pgrx::pg_sys::SubTransactionId;
use std::time::Instant;

/// The subtransaction at `level` is about to commit into its parent. May raise.
pub fn release(level: i32) {
    for connection in pool::involved() {
        let mut connection = connection.borrow_mut();
        if connection.participant.level != level || level < 2 {
            continue;
        }
        if connection.lost {
            connection.raise_lost();
        }
        connection.settle();
        connection.participant.level = level - 1;
        if !connection.send_control(&format!("RELEASE SAVEPOINT expanse_{level}")) {
            connection.raise_lost();
        }
    }
}

/// The subtransaction at `level` has been rolled back. Never raises: a connection that cannot follow is lost, and the
/// transaction with it.
pub fn roll_back(level: i32, subtransaction: SubTransactionId) {
    crate::remote::exact_values::end();
    let involved: Vec<_> = pool::involved();
    let deadline = Instant::now() + CLEANUP;
    for connection in &involved {
        if let Ok(mut connection) = connection.try_borrow_mut() {
            roll_back_on(&mut connection, level, subtransaction, deadline);
        }
    }
}

fn roll_back_on(
    connection: &mut Connection,
    level: i32,
    subtransaction: SubTransactionId,
    deadline: Instant,
) {
    if connection.lost {
        return;
    }
    let inside = connection.participant.scope == Scope::Transaction;
    if inside && connection.runs_control() {
        // The RELEASE of an inner savepoint, whose answer has not been waited for.
        if !connection.discard(deadline) || connection.take_failure().is_some() {
            connection.lost = true;
            return;
        }
    }
    if inside && connection.participant.level >= level {
        // What an outer statement still reads must not end with the savepoint.
        connection.buffer_outer_statement(subtransaction, deadline);
        let deadline = Instant::now() + CLEANUP;
        if !cancel_and_discard(connection, deadline) {
            return;
        }
        let sql =
            format!("ROLLBACK TO SAVEPOINT expanse_{level}; RELEASE SAVEPOINT expanse_{level}");
        connection.settings.forget();
        connection.participant.level = level - 1;
        connection.lost |= !connection.send_control(&sql)
            || !connection.discard(deadline)
            || connection.take_failure().is_some();
        return;
    }
    if !connection.runs_since(subtransaction) {
        // An outer statement, still streaming: it is none of this subtransaction's business.
        return;
    }
    cancel_and_discard(connection, deadline);
    if inside {
        // The failed statement belongs to an outer level on the node: its transaction is broken there.
        connection.lost = true;
    }
}
