//! Writes that run as statements on several nodes.

use super::tables::Mentions;
use crate::catalog::Metadata;
use pgrx::pg_sys::{PlannedStmt, Query};

/// What [`wrap`] needs to know.
pub struct Plan {}

/// Can the statement run as it is on every owner? Refuses (raises) what can be done neither so nor otherwise.
pub fn consider(query: *mut Query, mentions: &Mentions, metadata: &Metadata) -> Option<Plan> {
    let _ = (query, mentions, metadata);
    None
}

/// Puts Modify on top of the local plan.
pub fn wrap(stmt: *mut PlannedStmt, plan: &Plan) {
    let _ = (stmt, plan);
}
