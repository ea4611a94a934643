//! Transaction blocks wait at their BEGIN while a schema change takes its locks.
//!
//! # How it works
//! A barrier in shared memory that is up for a bounded time: it comes down by itself when the session that raised it is gone. A
//! session that waits there has locked nothing yet, so no other session waits for it.

use crate::metadata::cache::no_tables;
use crate::metadata::node_session;
use crate::pg::session::{self, transaction};
use crate::pg::shared_memory::Segment;
use crate::pg::tree::NodeRef;
use crate::pg::wait::pause;
use crate::state::now;
use pgrx::pg_sys::{PlannedStmt, TransactionStmt, TransactionStmtKind};
use std::time::{Duration, Instant};

/// How long it stays up, and with those who raise it again meanwhile, in microseconds.
const UP: i64 = 120_000;
const LONGEST: i64 = 2 * UP;
/// How long it is down at least, in microseconds.
const DOWN: i64 = 30_000;

#[repr(C)]
struct Barrier {
    /// Since when it is up, and when it comes or has come down, in microseconds of PostgreSQL's clock.
    since: i64,
    until: i64,
    /// The OID of the database whose sessions wait.
    database: u32,
}

static BARRIER: Segment<Barrier> = Segment::new(c"expanse begin barrier", || 0, |_| {});

/// Reserves the memory; called once while the library is preloaded.
pub fn init() {
    BARRIER.reserve();
}

/// Raises it on this node, unless it has just been up for long.
pub fn raise() {
    BARRIER.change(|barrier| {
        let now = now();
        if now < barrier.until && now >= barrier.since {
            barrier.until = (now + UP).min(barrier.since + LONGEST);
        } else if !(barrier.until..barrier.until + DOWN).contains(&now) {
            (barrier.since, barrier.until) = (now, now + UP);
        }
        barrier.database = session::database().to_u32();
    });
}

/// Takes it down before its time.
pub fn lower() {
    BARRIER.change(|barrier| barrier.until = barrier.until.min(now()));
}

/// Waits, interruptibly, before a BEGIN of a client, no longer than it stays up when it is not raised again.
pub fn pass(statement: NodeRef<'_, PlannedStmt>) {
    // A transaction that has begun already may have locks.
    if !begins(statement) || transaction::in_block() || no_tables() || node_session::is_internal() {
        return;
    }
    let end = Instant::now() + Duration::from_micros(UP.unsigned_abs());
    let database = session::database().to_u32();
    while Instant::now() < end
        && BARRIER.look(|barrier| now() < barrier.until && barrier.database == database)
            == Some(true)
    {
        pause(1);
    }
}

fn begins(statement: NodeRef<'_, PlannedStmt>) -> bool {
    let node = statement.utility_statement();
    node.and_then(|node| node.cast::<TransactionStmt>())
        .is_some_and(|stmt| {
            matches!(
                stmt.kind,
                TransactionStmtKind::TRANS_STMT_BEGIN | TransactionStmtKind::TRANS_STMT_START
            )
        })
}

crate::sql_function! {
    /// `expanse.close_door()`: transaction blocks wait at their BEGIN on this node for a moment. For another node that
    /// changes the schema, as the user it works for.
    fn close_door(args) {
        let _ = args;
        node_session::require("hold up transactions");
        raise();
        Some(())
    }
}
