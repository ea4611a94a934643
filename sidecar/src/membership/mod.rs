//! Who is in the cluster and how they are: this node's own status, the others', the topology.
//!
//! * [`local`] asks the local server who and how it is, and what that makes of this node ([`phase`], [`level`]);
//! * [`status`] keeps this node's entry in the status directory while the server is ready;
//! * [`topology`] lets the leader write the topology from the metadata;
//! * [`publish`] puts everything together for the local server;
//! * [`blocked`] says why anything that should happen does not;
//! * [`recovery`] finishes prepared transactions that this node coordinates.

pub mod blocked;
mod level;
pub mod local;
mod phase;
pub mod publish;
pub mod recovery;
pub mod status;
pub mod topology;

pub use local::LocalNode;

/// The status directory.
pub const STATUS: &str = "/status";
