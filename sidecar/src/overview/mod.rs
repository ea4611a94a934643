//! The cluster as this sidecar sees it, for the local server, the control socket and HTTP.
//!
//! * [`View`] puts together what all parts know;
//! * [`blocked`] says why anything that should happen does not;
//! * [`publish`] tells the local server whenever something changes.

mod blocked;
pub mod publish;
mod view;

pub use view::View;
