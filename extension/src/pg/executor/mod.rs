//! PostgreSQL's executor.

pub mod query;
pub mod query_snapshot;
