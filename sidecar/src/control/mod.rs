//! The control socket: how the extension and `expansectl` talk to the sidecar.
//!
//! One JSON object a line each way; the types are [`expanse_core::wire`]. The socket is for its
//! owner alone.

mod answer;
mod server;

pub use answer::Answers;
pub use server::{listen, serve};
