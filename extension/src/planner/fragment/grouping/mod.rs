//! Groupings and DISTINCT: complete on the nodes, or begun there and combined here.

pub mod combine;
pub mod distinct;
pub mod group;
pub mod partial;
