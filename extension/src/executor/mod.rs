//! Statements on other nodes, and the custom scans that run them.

pub mod remote;
