//! The cluster in a box as programs use it: the demo, the bench, the differential test and the scenarios.
//!
//! * [`cluster_box`] starts, extends and removes a cluster in a directory of its own
//! * [`pg`] opens sessions
//! * [`ports`] finds ports that no other cluster in a box on this machine uses
#![forbid(unsafe_code)]

pub mod cluster_box;
pub mod error;
pub mod interrupt;
pub mod pg;
pub mod ports;

pub use error::Error;
