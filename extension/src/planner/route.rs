//! Statements that one node can answer.

use super::tables::Mentions;
use crate::catalog::Metadata;
use pgrx::pg_sys::{PlannedStmt, Query};

/// What [`wrap`] needs to know.
pub struct Plan {}

/// Can one node answer the whole statement? Then the statement's text and its keys.
pub fn consider(query: *mut Query, mentions: &Mentions, metadata: &Metadata) -> Option<Plan> {
    let _ = (query, mentions, metadata);
    None
}

/// Puts Route on top of the local plan.
pub fn wrap(stmt: *mut PlannedStmt, plan: &Plan) {
    let _ = (stmt, plan);
}
