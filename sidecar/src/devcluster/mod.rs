//! The cluster in a box: servers, sidecars and coordination of a cluster on this machine, in one directory.
//!
//! # How it works
//! `DIR/box.json` says what belongs to the box. Each node has a directory of its own (`data`, `server.log`, `expansed.toml`,
//! `expansed.log`, `expansed.pid`, the control socket). Everything is started detached and found again by its process id
//! files, so each command can be repeated: what runs is left alone, what does not is started.
//!
//! Run by root, servers and sidecars belong to the user `postgres`.
#![expect(
    clippy::disallowed_methods,
    reason = "it waits for processes that it starts and stops, in a program that does nothing else"
)]

mod add;
mod down;
mod error;
mod owner;
mod programs;
mod server;
mod sidecar;
mod sql;
mod state;
mod up;

pub use add::add;
pub use down::down;
pub use error::BoxError;
pub use state::{BoxNode, Coordination};
pub use up::{up, UpOptions};
