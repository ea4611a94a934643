//! The sidecar of a node: orchestration. `docs/architecture.md` has the whole.

// Only `sys` is exempt.
#![deny(unsafe_code)]

pub mod cli;
pub mod config;
pub mod coordination;
pub mod devcluster;
#[allow(unsafe_code)]
mod sys;
pub mod topology;
