//! What planner and scans share: plan data, and queries as text for other nodes.

pub mod casts;
pub mod columns;
pub mod contains;
pub mod deparse;
pub mod distribution;
pub mod elsewhere;
pub mod fragment;
pub mod insertion;
pub mod owned;
pub mod statement;
pub mod text;
