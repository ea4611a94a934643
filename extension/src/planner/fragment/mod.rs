//! Fragments as paths of PostgreSQL's planner: base relations, joins, groupings.
//!
//! # How it works
//! A relation of the planner that each node can answer on its own data carries a [`info::Fragment`]: its members, the
//! conditions that the nodes apply, those kept here, and the distribution columns. `base` makes one for every
//! distributed or replicated table, `join` one for a join of two of them where rows that meet live on one node, and
//! `group` puts a grouping on top, `distinct` DISTINCT, `top` the first rows of an order. `path` offers a fragment to the planner and turns it into a plan; `query`
//! builds the `Query` that PostgreSQL's own deparser writes as SQL.
//!
//! # Invariants
//! * A distributed table's own paths are never used: they see only this node's fragment.
//! * A condition is pushed only when it means the same on every node (`shippable`); any other is kept here.
//! * Everything that lives between two hooks is palloc'd in the planner's memory context.

pub mod base;
pub mod check;
pub mod cost;
pub mod grouping;
pub mod info;
pub mod join;
pub mod joins;
pub mod local_write;
pub mod path;
pub mod query;
pub mod shippable;
pub mod statistics;
pub mod target;
pub mod top;

use crate::planner::fragment::grouping::distinct;
use crate::planner::fragment::grouping::group;

use crate::metadata::cache::{metadata, Metadata};
use pgrx::pg_sys::*;
use std::ffi::c_void;
use std::rc::Rc;

pub use self::statistics::relation_info;

/// The metadata, when the statement being planned may have fragments.
fn planning() -> Option<Rc<Metadata>> {
    let metadata = metadata()?;
    if metadata.tables.is_empty()
        || crate::state::local_planning::planning_locally()
        || crate::metadata::peer::internal_session()
    {
        return None;
    }
    Some(metadata)
}

/// Offers the fragment path of a base relation.
pub fn rel_pathlist(
    root: *mut PlannerInfo,
    rel: *mut RelOptInfo,
    rti: Index,
    rte: *mut RangeTblEntry,
) {
    // SAFETY: PostgreSQL passes a valid relation and its range table entry.
    unsafe {
        if (*rte).rtekind != RTEKind::RTE_RELATION {
            return;
        }
        if let Some(metadata) = planning() {
            base::consider(root, rel, rti, rte, &metadata);
        }
    }
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
    // SAFETY: PostgreSQL passes valid relations; a fragment is attached only by this module.
    unsafe {
        if info::of(outer).is_some() && info::of(inner).is_some() {
            join::consider(root, joinrel, outer, inner, jointype, extra);
        }
    }
}

/// Offers the fragment paths of groupings, of DISTINCT and of the first rows of an order.
pub fn upper_paths(
    root: *mut PlannerInfo,
    stage: UpperRelationKind::Type,
    input: *mut RelOptInfo,
    output: *mut RelOptInfo,
    extra: *mut c_void,
) {
    // SAFETY: PostgreSQL passes valid relations, and for grouping the extra data of grouping.
    unsafe {
        if stage == UpperRelationKind::UPPERREL_GROUP_AGG {
            group::consider(root, input, output, extra.cast());
        }
        if stage == UpperRelationKind::UPPERREL_DISTINCT {
            distinct::consider(root, input, output);
        }
        if stage == UpperRelationKind::UPPERREL_ORDERED {
            top::consider(root, input, output);
        }
    }
}
