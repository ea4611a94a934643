//! An INSERT whose rows are computed by the coordinator: what its two scans keep in the plan.

use serde::{Deserialize, Serialize};

/// How rows go to their nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// The INSERT up to `VALUES `.
    pub before: String,
    /// What follows the rows: ON CONFLICT, RETURNING.
    pub behind: String,
    /// Attribute numbers (from 1) of the values of a row, in order.
    pub columns: Vec<i16>,
    /// Attribute number of the distribution column and its group; `None`: every row goes everywhere.
    pub key: Option<(i16, i32)>,
    /// Returned values may travel in binary.
    pub binary: bool,
}
