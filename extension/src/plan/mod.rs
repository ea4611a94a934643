//! What planner and scans share: plan data, and queries as text for other nodes.

pub mod bucket_filter;
pub mod casts;
pub mod columns;
pub mod contains;
pub mod deparse;
pub mod distribution;
pub mod fragment;
pub mod insertion;
pub mod private;
pub mod remote_rows;
pub mod statement;
pub mod subquery;
pub mod text;
