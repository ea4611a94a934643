//! The sidecar of a node: orchestration. `docs/architecture/` has the whole.
//!
//! # Floors
//! A room imports only from floors below its own (`floors.toml`). From the ground up:
//!
//! | room | what it is |
//! | --- | --- |
//! | `sys` | the operating system: locks, signals, clocks |
//! | `metrics` | what this process measures of itself |
//! | `weight` | how important a command is |
//! | `coordination` | the coordination store: ZooKeeper, or the embedded directory |
//! | `config` | the configuration file |
//! | `topology` | the topology of the store, mirrored in a local file |
//! | `devcluster` | a cluster in a box, for `expansectl dev` and tests |
//! | `postgres` | connections to PostgreSQL servers |
//! | `alarms` | what was given up and has not been managed since |
//! | `executor` | the pool through which all work on nodes goes |
//! | `cluster` | the cluster as its metadata describe it |
//! | `membership` | this node's own status, the others', the topology that the leader writes |
//! | `operations` | the engine of operations, which knows no kind of them |
//! | `resources` | how busy this machine is |
//! | `streams` | logical replication from one node to another, for an operation |
//! | `kinds` | the kinds of operations: expand, shrink, rebind ... |
//! | `overview` | the cluster as this sidecar sees it, and why something does not happen |
//! | `control` | the control socket, by which the extension asks |
//! | `http` | HTTP for monitoring |
//! | `daemon` | `expansed`: starts the parts as tasks and stops them in order |
//! | `cli` | `expansectl` |

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
mod kinds;
pub mod membership;
pub mod metrics;
mod operations;
pub mod overview;
pub mod postgres;
pub mod resources;
mod streams;
#[allow(unsafe_code)]
mod sys;
pub mod topology;
pub mod weight;
