//! Locks on relations, held until the transaction ends.

use pgrx::pg_sys::{self, Oid};

/// Locks a relation in one of PostgreSQL's lock modes. One that is gone is locked as well; the statement itself says so.
pub fn lock_relation(relation: Oid, mode: i32) {
    // SAFETY: waits, interruptibly, for a lock by OID.
    unsafe { pg_sys::LockRelationOid(relation, mode) };
}
