//! The sidecar of a node: orchestration. `docs/architecture.md` has the whole.

// Only `sys` is exempt.
#![deny(unsafe_code)]

pub mod config;
pub mod coordination;
#[allow(unsafe_code)]
mod sys;
pub mod topology;
