//! Transaction blocks wait at their BEGIN while a schema change takes its locks.
//!
//! # How it works
//! A door in shared memory that closes for a bounded time: nobody has to be alive for it to open again. A session that waits
//! in front of it has locked nothing yet, so nobody waits for it.

use crate::metadata::cache::no_tables;
use crate::metadata::peer;
use crate::pg::shared_memory::Segment;
use crate::pg::wait::pause;
use crate::state::now;
use pgrx::pg_sys::{self, NodeTag, PlannedStmt, TransactionStmtKind};
use std::time::{Duration, Instant};

/// How long it stays closed, and with those who close it again meanwhile, in microseconds.
const CLOSED: i64 = 120_000;
const LONGEST: i64 = 2 * CLOSED;
/// How long it is open at least, in microseconds.
const OPEN: i64 = 30_000;

#[repr(C)]
struct Door {
    /// Since when it is closed, and when it opens or has opened, in microseconds of PostgreSQL's clock.
    since: i64,
    until: i64,
    /// The OID of the database whose sessions wait.
    database: u32,
}

static DOOR: Segment<Door> = Segment::new(c"expanse door", || 0, |_| {});

/// Reserves the memory; called once while the library is preloaded.
pub fn init() {
    DOOR.reserve();
}

fn database() -> u32 {
    // SAFETY: set when the session was opened.
    unsafe { pg_sys::MyDatabaseId }.to_u32()
}

/// Closes it on this node, unless it has just been closed for long.
pub fn close() {
    DOOR.change(|door| {
        let now = now();
        if now < door.until && now >= door.since {
            door.until = (now + CLOSED).min(door.since + LONGEST);
        } else if !(door.until..door.until + OPEN).contains(&now) {
            (door.since, door.until) = (now, now + CLOSED);
        }
        door.database = database();
    });
}

/// Opens it before its time.
pub fn open() {
    DOOR.change(|door| door.until = door.until.min(now()));
}

/// Waits, interruptibly, before a BEGIN of a client, no longer than it stays closed when nobody closes it again.
///
/// # Safety
/// `pstmt` is a utility statement of PostgreSQL's.
pub unsafe fn pass(pstmt: *mut PlannedStmt) {
    // SAFETY: as the caller promises; the node is read as the type that its tag names.
    let begins = unsafe {
        let node = (*pstmt).utilityStmt;
        crate::pg::parse_tree::tag(node) == NodeTag::T_TransactionStmt
            && matches!(
                (*node.cast::<pg_sys::TransactionStmt>()).kind,
                TransactionStmtKind::TRANS_STMT_BEGIN | TransactionStmtKind::TRANS_STMT_START
            )
    };
    // SAFETY: reads the transaction's state: who has begun already may have locks.
    let begun = unsafe { pg_sys::IsTransactionBlock() };
    if !begins || begun || no_tables() || crate::metadata::peer::internal_session() {
        return;
    }
    let end = Instant::now() + Duration::from_micros(CLOSED.unsigned_abs());
    while Instant::now() < end
        && DOOR.look(|door| now() < door.until && door.database == database()) == Some(true)
    {
        pause(1);
    }
}

crate::sql_function! {
    /// `expanse.close_door()`: transaction blocks wait at their BEGIN on this node for a moment. For another node that
    /// changes the schema, as the user it works for.
    fn close_door(args) {
        let _ = args;
        peer::require("hold up transactions");
        close();
        Some(())
    }
}
