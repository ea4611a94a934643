//! Whether snapshots of several nodes belong together, decided by what is known and not by how long ago it was.
//!
//! # The problem
//! A transaction over nodes (T) is recorded in the [`Ring`] of each of its members before it is prepared there, prepared on
//! all before it is decided, and decided before it becomes visible on any. A reader takes a snapshot on each of its nodes.
//! For every T all of these snapshots that are of members must show it, or none.
//!
//! # How it works
//! 1. Before any snapshot is taken, the reader holds a [`Mark`] of each of its nodes: how far that node's ring was, and what was
//!    unfinished in it. It has it from an earlier statement, or asks for it.
//! 2. Each node takes its snapshot and gives a [`View`] of it: of all that was unfinished at the mark or recorded since,
//!    whether the snapshot shows it. A ring that was overwritten or lost since the mark says so ([`Ring::since`] gives
//!    `None`), and the reader begins again with new marks.
//! 3. [`lacking`] compares. A node that lacks something waits until it has it and takes its snapshot again; the round is one
//!    higher then.
//!
//! Why this is enough: what was finished on some node before its mark was prepared on all of its members before any of the
//! snapshots was taken. So no member's snapshot can be from before it was recorded: it is in that member's view, invisible, or
//! it was finished there before the mark as well.
//!
//! # What a caller has to see to
//! * All marks come before all snapshots. A statement that asks a node for its mark inside of a transaction with one snapshot has
//!   taken that snapshot before the mark; a snapshot that an earlier part of the statement took is older than a mark of now.
//! * So a REPEATABLE READ transaction lets all nodes agree at its first read: a node that joins later has no mark from before the
//!   snapshots of the others.
//! * A mark that a node does not reach back to is replaced by its mark of now, and then all nodes take their snapshots again.
//!
//! # What is not guaranteed
//! Progress under any load: while transactions commit faster than rounds end, the reader holds commits up for a moment.
//! Fingerprints of 64 bits stand for names: two names with the same one are taken for one transaction.

mod judge;
mod ring;

pub use judge::{lacking, Marks, State, View};
pub use ring::{Entry, Mark, Ring, Unfinished};

/// The bit of a node in the set of a transaction's members. Nodes that share a bit are only asked once too often.
pub fn member(node: i32) -> u64 {
    1 << node.rem_euclid(64)
}

/// Takes this node part in a transaction with these members? 0 stands for members that are not known.
fn takes_part(members: u64, node: i32) -> bool {
    members == 0 || members & member(node) != 0
}
