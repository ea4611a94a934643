//! Snapshots that the transaction keeps, and how other statements of it see them.

use super::snapshot::SnapshotRef;
use pgrx::pg_sys::{self, CommandId, SnapshotData, SnapshotType};

/// A snapshot that stays registered until it is released, or until the transaction ends.
pub struct KeptSnapshot(SnapshotRef);

impl KeptSnapshot {
    /// Keeps the snapshot of the running transaction.
    pub fn of_transaction() -> Self {
        Self::register(SnapshotRef::of_transaction())
    }

    /// Keeps a new one.
    pub fn latest() -> Self {
        // SAFETY: a transaction is running; the snapshot is registered at once.
        let latest = unsafe { SnapshotRef::new(pg_sys::GetLatestSnapshot()) };
        Self::register(latest.expect("a running transaction can take a snapshot"))
    }

    fn register(snapshot: SnapshotRef) -> Self {
        // SAFETY: a valid snapshot; the transaction's own resource owner exists as long as the transaction.
        let copy = unsafe {
            let owner = pg_sys::TopTransactionResourceOwner;
            SnapshotRef::new(pg_sys::RegisterSnapshotOnOwner(snapshot.as_ptr(), owner))
        };
        KeptSnapshot(copy.expect("the copy of a snapshot is one"))
    }

    pub fn get(&self) -> SnapshotRef {
        self.0
    }

    /// Gives it back while the transaction goes on, or is about to commit.
    pub fn release(self) {
        // SAFETY: registered in this transaction with this owner; nothing else releases it.
        unsafe {
            let owner = pg_sys::TopTransactionResourceOwner;
            pg_sys::UnregisterSnapshotFromOwner(self.0.as_ptr(), owner);
        }
    }
}

impl SnapshotRef {
    fn get(&self) -> &SnapshotData {
        // SAFETY: active or registered (`new`).
        unsafe { &*self.as_ptr() }
    }

    /// The number of the command that it was taken for.
    pub fn command(self) -> CommandId {
        self.get().curcid
    }

    /// The same as a statement with another command number sees it; to be copied at once, because it points to this one's
    /// arrays.
    pub fn at_command(self, command: CommandId) -> SnapshotData {
        SnapshotData {
            copied: false,
            curcid: command,
            ..*self.get()
        }
    }

    /// Is this the snapshot of the transaction, for any of its commands? PostgreSQL checks foreign keys by others.
    pub fn is_of_transaction(self) -> bool {
        let own = SnapshotRef::of_transaction();
        let (this, own) = (self.get(), own.get());
        this.snapshot_type == SnapshotType::SNAPSHOT_MVCC
            && this.xmin == own.xmin
            && this.xmax == own.xmax
            && this.xcnt == own.xcnt
    }
}

/// The command number of the active snapshot; `None` when no snapshot is active.
pub fn active_command() -> Option<CommandId> {
    // SAFETY: the top of a stack that PostgreSQL keeps, if there is any.
    let active = unsafe {
        pg_sys::ActiveSnapshotSet().then(|| SnapshotRef::new(pg_sys::GetActiveSnapshot()))
    };
    active.flatten().map(SnapshotRef::command)
}

/// Makes a copy of the snapshot the active one, until it is popped.
pub fn push(mut snapshot: SnapshotData) {
    // SAFETY: PostgreSQL copies a snapshot that is not marked as a copy.
    unsafe { pg_sys::PushActiveSnapshot(&mut snapshot) };
}

/// Has the transaction let other sessions import its snapshot?
pub fn is_exported() -> bool {
    // SAFETY: looks at the backend's own list.
    unsafe { pg_sys::XactHasExportedSnapshots() }
}
