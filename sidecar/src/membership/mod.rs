//! Who is in the cluster and how they are: this node's own status, the others', the topology.
//!
//! * [`local`] asks the local server who and how it is, and what that makes of this node ([`phase`], [`level`]);
//! * [`status`] keeps this node's entry in the status directory while the server is ready;
//! * [`topology`] lets the leader write the topology from the metadata;
//! * [`recovery`] finishes prepared transactions that this node coordinates;
//! * [`removed`] notes nodes that were lost and removed, and sets one aside that comes back.

mod level;
pub mod local;
mod phase;
pub mod recovery;
pub mod removed;
pub mod status;
pub mod topology;

pub use local::LocalNode;

/// The status directory.
pub const STATUS: &str = "/status";
