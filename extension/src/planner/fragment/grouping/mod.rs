//! Groupings and DISTINCT: complete on the nodes, or partial there and combined here.

pub mod combine;
pub mod distinct;
pub mod group;
pub mod partial;
