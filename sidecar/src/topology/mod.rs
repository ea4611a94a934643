//! Who belongs to the cluster, as this machine knows it, also while the coordination store is gone.
//!
//! # How it works
//! A [`Mirror`] follows up to three sources and offers what it reads to one decision
//! ([`decide`]):
//!
//! * the local configuration file ([`file`]), read once at the start,
//! * `/topology` of the coordination store, the authority,
//! * optionally a directory mounted from outside ([`mounted`]), such as a Kubernetes ConfigMap.
//!
//! What is taken becomes the current topology, is written to the local file, and is shown to
//! every holder of a receiver of [`Mirror::state`]. What is refused changes nothing, and the reason is
//! kept in the state for people to see.
//!
//! # Invariants
//! * A topology is taken as a whole or not at all.
//! * The version never goes back, and the cluster never becomes another one.
//! * The local file is complete at any moment, also after a crash of the machine.

mod check;
mod decide;
mod file;
mod mirror;
mod mounted;

pub use check::{check, Defect};
pub use decide::{decide, Decision, Refusal};
pub use file::{FileError, LocalFile};
pub use mirror::{Mirror, Refused, Source, Sources, State};
pub use mounted::{MountError, Mounted, Snapshot};

/// Where the coordination store keeps it.
pub const PATH: &str = "/topology";

/// The name of the local configuration file, and of the file in a mounted directory.
pub const FILE_NAME: &str = "topology.json";
