//! Which parts of a query each node can answer on its own data, and what they cost. The extension's planner translates
//! PostgreSQL's structures into the plain data here and follows the answers.
//!
//! * [`cost`]: the planner's figures for a fragment
//! * [`grouping`]: groupings that are complete on the nodes, and those that are combined by the coordinator
//! * [`join`]: joins whose matching rows live on one node
//! * [`top`]: the first rows of an order

pub mod cost;
pub mod grouping;
pub mod join;
pub mod top;
