//! Snapshots: what of other transactions a statement sees.

use pgrx::pg_sys::{self, Snapshot, SnapshotData, TransactionId};
use std::ptr::NonNull;

/// A snapshot that is active or registered.
#[derive(Clone, Copy)]
pub struct SnapshotRef(NonNull<SnapshotData>);

impl SnapshotRef {
    /// `None` for a null pointer.
    ///
    /// # Safety
    /// Null, or a snapshot that stays active or registered as long as the result is used.
    pub unsafe fn new(snapshot: Snapshot) -> Option<SnapshotRef> {
        NonNull::new(snapshot).map(SnapshotRef)
    }

    /// That of the running statement.
    pub fn active() -> SnapshotRef {
        // SAFETY: gives the top of a stack that PostgreSQL keeps; raises when it is empty.
        SnapshotRef(NonNull::new(unsafe { pg_sys::GetActiveSnapshot() }).expect("one is active"))
    }

    /// That of the running transaction, which keeps one for all of its statements.
    pub fn of_transaction() -> SnapshotRef {
        // SAFETY: a transaction is running; in REPEATABLE READ and above the snapshot stays until it ends.
        let snapshot = unsafe { pg_sys::GetTransactionSnapshot() };
        SnapshotRef(NonNull::new(snapshot).expect("a transaction has a snapshot"))
    }

    pub fn as_ptr(self) -> Snapshot {
        self.0.as_ptr()
    }

    /// Does a transaction still run, as the snapshot shows it?
    pub fn shows_running(self, id: TransactionId) -> bool {
        // SAFETY: a valid snapshot (`new`).
        unsafe { pg_sys::XidInMVCCSnapshot(id, self.as_ptr()) }
    }
}

/// Has the running transaction taken its first snapshot?
pub fn is_taken() -> bool {
    // SAFETY: a plain variable of the transaction.
    unsafe { pg_sys::FirstSnapshotSet }
}
