//! The sidecar of a node: orchestration. `docs/architecture.md` has the whole.

pub mod config;
