//! A read of several nodes sees every transaction over several nodes entirely or not at all.
//!
//! # How it works
//! Every node remembers the transactions over nodes that were lately prepared there ([`recent`]): recorded before PREPARE, so
//! one that is visible in a snapshot is always among them. With the snapshot that a read takes on a node, the node reports
//! which of them are still pending in it and which are done ([`report`]). Where one node has done what another has
//! pending, the other waits for it and all take their snapshots again ([`agree`]); only then do fragments run. Where so many
//! commit that this does not come to an end soon, they are held up for a moment ([`commit_barrier`]).
//!
//! # What is not guaranteed
//! A node that a transaction has already written on is read with that transaction's own snapshots, statement by statement.
//! Replicated tables and local tables are read by the same agreement ([`mixed`]), but not by functions. A node remembers
//! [`recent::CAPACITY`] transactions; one that stays in doubt while more than that finish is overwritten last.

pub mod agree;
pub mod mixed;
pub mod repeatable_read;
