//! Transaction blocks wait at their BEGIN while a schema change takes its locks.
//!
//! # How it works
//! A door in shared memory that closes for a bounded time: nobody has to be alive for it to open again. A session that waits
//! in front of it has locked nothing yet, so nobody waits for it.

use crate::catalog::metadata::no_tables;
use crate::executor::wait::pause;
use crate::state::peer;
use crate::state::segment::Segment;
use pgrx::pg_sys::{self, NodeTag, PlannedStmt, TransactionStmtKind};

/// How long it stays closed, in microseconds.
const CLOSED: i64 = 120_000;

#[repr(C)]
struct Door {
    /// When it opens, in microseconds of PostgreSQL's clock.
    until: i64,
    /// The OID of the database whose sessions wait.
    database: u32,
}

static DOOR: Segment<Door> = Segment::new(c"expanse door", || 0, |_| {});

/// Reserves the memory; called once while the library is preloaded.
pub fn init() {
    DOOR.reserve();
}

fn now() -> i64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

fn database() -> u32 {
    // SAFETY: set when the session was opened.
    unsafe { pg_sys::MyDatabaseId }.to_u32()
}

/// Closes it on this node.
pub fn close() {
    DOOR.change(|door| {
        door.until = now() + CLOSED;
        door.database = database();
    });
}

/// Opens it before its time.
pub fn open() {
    DOOR.change(|door| door.until = 0);
}

/// Waits, interruptibly, before a BEGIN of a client.
///
/// # Safety
/// `pstmt` is a utility statement of PostgreSQL's.
pub unsafe fn pass(pstmt: *mut PlannedStmt) {
    // SAFETY: as the caller promises; the node is read as the type that its tag names.
    let begins = unsafe {
        let node = (*pstmt).utilityStmt;
        super::nodes::tag(node) == NodeTag::T_TransactionStmt
            && matches!(
                (*node.cast::<pg_sys::TransactionStmt>()).kind,
                TransactionStmtKind::TRANS_STMT_BEGIN | TransactionStmtKind::TRANS_STMT_START
            )
    };
    if !begins || no_tables() || crate::state::internal_session() {
        return;
    }
    while DOOR.look(|door| now() < door.until && door.database == database()) == Some(true) {
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
