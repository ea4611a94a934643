//! This server's own transaction, as PostgreSQL's variables describe it: what it may see and do, its ids and levels.

use pgrx::pg_sys::{self, SubTransactionId, TransactionId};

/// How a transaction is isolated from others; a stronger level compares as greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

/// The isolation level of the running transaction.
pub fn isolation() -> Isolation {
    // SAFETY: a plain variable of the transaction.
    match unsafe { pg_sys::XactIsoLevel } as u32 {
        pg_sys::XACT_SERIALIZABLE => Isolation::Serializable,
        pg_sys::XACT_REPEATABLE_READ => Isolation::RepeatableRead,
        _ => Isolation::ReadCommitted,
    }
}

/// Have all statements of the transaction one snapshot?
pub fn keeps_snapshot() -> bool {
    isolation() >= Isolation::RepeatableRead
}

pub fn is_read_only() -> bool {
    // SAFETY: a plain variable of the transaction.
    unsafe { pg_sys::XactReadOnly }
}

pub fn is_deferrable() -> bool {
    // SAFETY: a plain variable of the transaction.
    unsafe { pg_sys::XactDeferrable }
}

/// Is a transaction running in which catalogs can be read?
pub fn is_running() -> bool {
    // SAFETY: a plain state test.
    unsafe { pg_sys::IsTransactionState() }
}

/// Does the transaction end with a statement of the client's, not by itself?
pub fn in_block() -> bool {
    // SAFETY: a plain state test.
    unsafe { pg_sys::IsTransactionBlock() }
}

/// 1 in the transaction itself, 2 in its first subtransaction.
pub fn nest_level() -> i32 {
    // SAFETY: reads a counter of the backend.
    unsafe { pg_sys::GetCurrentTransactionNestLevel() }
}

/// The running subtransaction; their numbers grow.
pub fn subtransaction() -> SubTransactionId {
    // SAFETY: reads a counter of the backend.
    unsafe { pg_sys::GetCurrentSubTransactionId() }
}

/// Has the transaction an id (it writes)?
pub fn has_id() -> bool {
    id_if_any() != pg_sys::InvalidTransactionId
}

/// The transaction's id; `InvalidTransactionId` when it has none yet.
pub fn id_if_any() -> TransactionId {
    // SAFETY: reads the transaction's state.
    unsafe { pg_sys::GetTopTransactionIdIfAny() }
}

/// The transaction's id, which it gets when it has none.
pub fn id() -> TransactionId {
    // SAFETY: gives the running transaction an id.
    unsafe { pg_sys::GetTopTransactionId() }
}

/// The same in 64 bits, which do not come again.
pub fn full_id() -> u64 {
    // SAFETY: gives the running transaction an id.
    unsafe { pg_sys::GetTopFullTransactionId() }.value
}

/// The next id in 64 bits that a transaction of this server will get.
pub fn next_full_id() -> u64 {
    // SAFETY: reads shared state of the server.
    unsafe { pg_sys::ReadNextFullTransactionId() }.value
}

/// When the transaction began, by PostgreSQL's clock.
pub fn started_at() -> i64 {
    // SAFETY: reads the transaction's state.
    unsafe { pg_sys::GetCurrentTransactionStartTimestamp() }
}

/// The commit is to be on disk before it is reported, whatever `synchronous_commit` says.
pub fn force_synchronous_commit() {
    // SAFETY: sets a flag of the running transaction.
    unsafe { pg_sys::ForceSyncCommit() };
}

/// Does the transaction with this id run on this server, or is it prepared here? Never raises.
pub fn is_in_progress(id: TransactionId) -> bool {
    // SAFETY: a look at the list of running transactions, which does not fail.
    unsafe { pg_sys::TransactionIdIsInProgress(id) }
}

/// Has the transaction with this id committed?
pub fn did_commit(id: TransactionId) -> bool {
    // SAFETY: a lookup in the commit log.
    unsafe { pg_sys::TransactionIdDidCommit(id) }
}

/// Is this the id of the running transaction, or of one of its subtransactions?
pub fn is_own(id: TransactionId) -> bool {
    // SAFETY: reads the transaction's state.
    unsafe { pg_sys::TransactionIdIsCurrentTransactionId(id) }
}
