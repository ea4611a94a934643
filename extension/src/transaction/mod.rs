//! Transactions over nodes: two-phase commit, savepoints, recovery.
//!
//! # How it works
//! [`participant`] begins a transaction on a node when a statement needs one. The callbacks of `hooks::transactions` end it with the
//! local one: [`commit`] before and after the local commit, [`abort`] after a rollback, [`savepoint`] with
//! subtransactions. [`recovery`] finishes what a crash left.
//!
//! # Invariants
//! The decision of a transaction that wrote on several nodes is the local commit of its row in
//! `expanse.commit_record`. Nothing is committed anywhere before it, nothing is rolled back after it.
//!
//! # What is not guaranteed
//! Between the local commit and the last COMMIT PREPARED, another session can see the one and not yet the other.
//!
//! # Unwind safety
//! Only the callback before the commit may raise. The others run where PostgreSQL cannot
//! stand an error: they catch everything, wait with a deadline, and close a connection whose state they do not know.

pub mod abort;
pub mod commit;
pub mod commit_barrier;
pub mod constraints;
pub mod fault;
pub mod participant;
pub mod recent;
pub mod record;
pub mod recovery;
pub mod report;
pub mod savepoint;
pub mod serializable;
pub mod statement;
pub mod victim;
