//! The state of the transaction, and its steps.

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

pub fn is_read_only() -> bool {
    // SAFETY: a plain variable of the transaction.
    unsafe { pg_sys::XactReadOnly }
}

/// Is the isolation level REPEATABLE READ or SERIALIZABLE?
pub fn has_one_snapshot() -> bool {
    // SAFETY: a plain variable of the transaction.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}

/// Has the client begun a transaction block?
pub fn in_block() -> bool {
    // SAFETY: reads the state of the transaction.
    unsafe { pg_sys::IsTransactionBlock() }
}

/// Is the statement anything less than the whole transaction? A statement that the client has sent by itself is `top_level`.
pub fn is_within_another(top_level: bool) -> bool {
    // SAFETY: reads the state of the transaction.
    unsafe { pg_sys::IsInTransactionBlock(top_level) }
}

/// How deep in subtransactions.
pub fn nest_level() -> i32 {
    // SAFETY: reads the state of the transaction.
    unsafe { pg_sys::GetCurrentTransactionNestLevel() }
}

/// Makes what the transaction has done so far visible to what follows.
pub fn command_done() {
    // SAFETY: allowed inside any transaction.
    unsafe { pg_sys::CommandCounterIncrement() };
}

/// What other sessions have committed becomes known to the caches. Between statements, where a catalog may change its state.
pub fn accept_invalidations() {
    // SAFETY: allowed inside any transaction.
    unsafe { pg_sys::AcceptInvalidationMessages() };
}

/// Runs `body` under a new snapshot, where PostgreSQL has popped the statement's own. An error pops it with the transaction.
pub fn with_snapshot<R>(body: impl FnOnce() -> R) -> R {
    // SAFETY: popped below.
    unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot()) };
    let result = body();
    // SAFETY: pushed above.
    unsafe { pg_sys::PopActiveSnapshot() };
    result
}

/// The catalogs are read anew by the next scan: no session has to wait for the snapshot of an earlier one.
pub fn release_catalog_snapshot() {
    // SAFETY: no catalog scan of ours runs.
    unsafe { pg_sys::InvalidateCatalogSnapshot() };
}

/// Ends the transaction in the middle of a statement that is the whole of it, and begins another after `between`. The
/// statement's memory context and portal go on, as in the COMMIT of a procedure.
pub fn commit_and_begin(between: impl FnOnce()) {
    // SAFETY: as SPI_commit does it; what follows finds its memory context and a snapshot as before.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        pg_sys::ForgetPortalSnapshots();
        pg_sys::CommitTransactionCommand();
        pg_sys::StartTransactionCommand();
        between();
        pg_sys::EnsurePortalSnapshotExists();
        pg_sys::MemoryContextSwitchTo(context);
    }
}

/// The same for a statement that cannot run in a transaction block and commits by itself: its portal knows that such a
/// statement may pop its snapshot, and needs none from here on.
pub fn commit_and_go_on() {
    // SAFETY: as PostgreSQL's own commits in such statements.
    unsafe {
        if pg_sys::ActiveSnapshotSet() {
            pg_sys::PopActiveSnapshot();
        }
        pg_sys::CommitTransactionCommand();
        pg_sys::StartTransactionCommand();
    }
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

/// The transaction's number in this backend, also when it has no id; none of the backend's transactions has it again soon.
pub fn local_id() -> u32 {
    // SAFETY: this backend's own entry, valid in every transaction.
    unsafe { (*pg_sys::MyProc).lxid }
}
