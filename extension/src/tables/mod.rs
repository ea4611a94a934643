//! A plain table becomes distributed or replicated, and plain again.

pub mod distribute;
pub mod localize;
pub mod replicate;
