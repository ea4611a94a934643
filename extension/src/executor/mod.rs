//! Statements on other nodes, and the custom scans that run them.

pub mod apart;
pub mod connect;
pub mod connection;
pub mod copy;
pub mod copy_from;
pub mod custom;
pub mod distribute_scan;
pub mod exchange;
pub mod faithful;
pub mod first_scan;
pub mod fragment_scan;
pub mod libpq;
pub mod moving_scan;
pub mod owned;
pub mod pending;
pub mod pool;
pub mod remote;
mod rescue;
pub mod rows;
pub mod run;
pub mod run_on_nodes;
pub mod settings;
pub mod spill;
pub mod statement_scan;
pub mod statements;
pub mod stream;
pub mod wait;
