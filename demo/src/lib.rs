//! The demo and the bench: what a user sees first of Expanse, and the figures it is judged by.
//!
//! * [`demo`] grows a cluster of TPC-H data from three nodes to four while writers and readers use
//!   it, and compares the outcome with a plain PostgreSQL
//! * [`queries`] runs TPC-H's 22 queries on both and compares the answers
//! * [`bench`] runs the same work on one plain PostgreSQL and on a cluster of three nodes, in turns
#![forbid(unsafe_code)]

pub mod bench;
pub mod demo;
pub mod growth;
pub mod plain;
pub mod queries;
pub mod report;
pub mod tpch;
pub mod verify;
pub mod workload;

pub use expanse_cluster_box::{cluster_box, interrupt, pg, Error};
