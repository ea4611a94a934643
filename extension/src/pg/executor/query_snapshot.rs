//! The snapshot by which the executor runs a query, and the state of one that has started.

use super::query::QueryNode;
use crate::pg::session::snapshot::SnapshotRef;
use pgrx::pg_sys::{self, SnapshotData};

impl QueryNode<'_> {
    /// The snapshot by which it reads.
    pub fn snapshot(self) -> Option<SnapshotRef> {
        // SAFETY: null, or registered as long as the query.
        unsafe { SnapshotRef::new(self.get().snapshot) }
    }

    /// Are the rows that it changes compared with those of another snapshot?
    pub fn compares_snapshots(self) -> bool {
        !self.get().crosscheck_snapshot.is_null()
    }

    /// Lets it read by a copy of another snapshot. It has not started.
    pub fn read_by(self, mut snapshot: SnapshotData) {
        // SAFETY: both are registered with the owner that the query's was registered with when it was made; the copy points to
        // arrays that stay registered while it is copied once more.
        unsafe {
            let own = pg_sys::RegisterSnapshot(&mut snapshot);
            pg_sys::UnregisterSnapshot(self.get().snapshot);
            (*self.as_ptr()).snapshot = own;
        }
    }

    /// Rows that it has given so far in this run. It has started.
    pub fn processed(self) -> u64 {
        // SAFETY: a started query has its state.
        unsafe { (*self.get().estate).es_processed }
    }

    /// Runs `work` in the memory that the executor frees when it ends. It has started.
    pub fn in_memory<T>(self, work: impl FnOnce() -> T) -> T {
        // SAFETY: a started query has its state and the memory of that. After an error PostgreSQL sets the context anew.
        let outer = unsafe { pg_sys::MemoryContextSwitchTo((*self.get().estate).es_query_cxt) };
        let result = work();
        // SAFETY: the context that was current before.
        unsafe { pg_sys::MemoryContextSwitchTo(outer) };
        result
    }
}
