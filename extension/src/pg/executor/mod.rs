//! PostgreSQL's executor as our scans see it: their node, its slot and expressions, the plans below it, EXPLAIN.
//!
//! # Invariants
//! A running plan and everything that belongs to it lives as long as its query; values of these types are used no longer.
//! Functions that run other people's code (plans, expressions without a guard) are unsafe: an error in them `longjmp`s to
//! PostgreSQL's handler as it is, so nothing droppable may be on the stack.

pub mod explanation;
pub mod expression;
pub mod line_store;
pub mod parameters;
pub mod plan_node;
pub mod query;
pub mod query_snapshot;
pub mod running_query;
pub mod scan_node;
pub mod slot;
pub mod values;
