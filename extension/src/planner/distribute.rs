//! INSERT of rows computed here.

use super::tables::Mentions;
use crate::catalog::Metadata;
use pgrx::pg_sys::{PlannedStmt, Query};

/// What [`wrap`] needs to know.
pub struct Plan {}

/// Is a distributed or replicated table inserted into? Refuses (raises) what can not be done right.
pub fn consider(query: *mut Query, mentions: &Mentions, metadata: &Metadata) -> Option<Plan> {
    let _ = (query, mentions, metadata);
    None
}

/// Puts Distribute between ModifyTable and its source.
pub fn wrap(stmt: *mut PlannedStmt, plan: &Plan) {
    let _ = (stmt, plan);
}
