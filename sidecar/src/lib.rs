//! The sidecar of a node: orchestration. `docs/architecture.md` has the whole.

// Only `sys` is exempt.
#![deny(unsafe_code)]

pub mod alarms;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod control;
pub mod coordination;
pub mod daemon;
pub mod devcluster;
pub mod executor;
pub mod http;
pub mod membership;
pub mod metrics;
pub mod operations;
pub mod postgres;
pub mod resources;
#[allow(unsafe_code)]
mod sys;
pub mod topology;
