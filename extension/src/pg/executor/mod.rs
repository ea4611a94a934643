//! PostgreSQL's executor.

pub mod line_store;
pub mod query;
pub mod query_snapshot;
