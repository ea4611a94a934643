//! Statements on other nodes, inside the distributed transaction.

pub mod copy_in;
pub mod run;
pub mod stream;
