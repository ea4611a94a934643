//! What cannot be right over fragments is refused.

pub use crate::planner::refusals::refuse;
