//! Fragments as paths of PostgreSQL's planner: base relations, joins, groupings.
//!
//! # How it works
//! A relation of the planner that each node can answer on its own data carries a [`info::Fragment`]: its members, the
//! conditions that the nodes apply, those that the coordinator applies, and the distribution columns. `base` makes one for
//! every distributed or replicated table, `join` one for a join of two of them where rows that meet live on one node, and
//! `grouping` puts a grouping or DISTINCT on top, `top` the first rows of an order. `path` adds a fragment to the planner's
//! paths and turns it into a plan; `query` builds the `Query` that PostgreSQL's own deparser writes as SQL. What may be done on
//! the nodes and what it costs is decided in [`expanse_core::fragment`].
//!
//! # Invariants
//! * A distributed table's own paths are never used: they see only this node's fragment.
//! * A condition is pushed only when it means the same on every node (`shippable`); the coordinator applies any other.
//! * Everything that lives between two hooks is palloc'd in the planner's memory context.

pub mod base;
pub mod cost;
pub mod grouping;
pub mod info;
pub mod join;
pub mod local_write;
pub mod path;
pub mod query;
pub mod shippable;
pub mod statistics;
pub mod target;
pub mod top;

use crate::metadata::cache::{metadata, Metadata};
use crate::pg::planner::{Planner, Rel, Stage};
use crate::pg::tree::{ListRef, NodeRef};
use crate::planner::fragment::grouping::{distinct, group};
use crate::planner::fragment::info::Fragment;
use pgrx::pg_sys::{JoinType, RTEKind, RangeTblEntry, RestrictInfo};
use std::rc::Rc;

pub use self::statistics::relation_info;

/// The metadata, when the statement being planned may have fragments.
fn planning() -> Option<Rc<Metadata>> {
    let metadata = metadata()?;
    if metadata.tables.is_empty()
        || crate::state::local_planning::planning_locally()
        || crate::metadata::node_session::is_internal()
    {
        return None;
    }
    Some(metadata)
}

/// Adds the fragment path of a base relation.
pub fn rel_pathlist<'a>(rel: Rel<'a>, entry: NodeRef<'a, RangeTblEntry>) {
    if entry.rtekind != RTEKind::RTE_RELATION {
        return;
    }
    if let Some(metadata) = planning() {
        base::consider(rel, entry, &metadata);
    }
}

/// Adds the fragment path of a join.
pub fn join_pathlist<'a>(
    planner: Planner<'a>,
    rel: Rel<'a>,
    sides: [Rel<'a>; 2],
    jointype: JoinType::Type,
    restrictions: ListRef<'a, RestrictInfo>,
) {
    if sides.iter().all(|side| Fragment::of(*side).is_some()) {
        join::consider(planner, rel, sides, jointype, restrictions);
    }
}

/// Adds the fragment paths of groupings, of DISTINCT and of the first rows of an order.
pub fn upper_paths<'a>(planner: Planner<'a>, stage: Stage<'a>, input: Rel<'a>, output: Rel<'a>) {
    match stage {
        Stage::Grouping { having } => group::consider(planner, input, output, having),
        Stage::Distinct => distinct::consider(planner, input, output),
        Stage::Ordering => top::consider(planner, input, output),
    }
}
