//! One level of planning: the query, and what the planner knows about it.

use super::{references, Rel, Relids, Target};
use crate::pg::tree::{ListRef, NodeRef};
use pgrx::pg_sys::{self, Index, Node, PathKey, Query, SortGroupClause, UpperRelationKind};

references! {
    /// One level of planning.
    Planner(PlannerInfo);
}

impl<'a> Planner<'a> {
    pub fn query(self) -> NodeRef<'a, Query> {
        // SAFETY: every level of planning has its query.
        unsafe { NodeRef::new(self.parse) }.expect("the planner plans a query")
    }

    /// The expressions that the clauses sort or group by, in their order.
    pub fn expressions_of(self, clauses: ListRef<'a, SortGroupClause>) -> ListRef<'a, Node> {
        // SAFETY: clauses of this level; the list is new.
        unsafe {
            ListRef::new(pg_sys::get_sortgrouplist_exprs(
                clauses.as_ptr(),
                self.processed_tlist,
            ))
        }
    }

    /// How many groups the planner expects of `rows` rows by these expressions.
    pub fn estimate_groups(self, expressions: ListRef<'a, Node>, rows: f64) -> f64 {
        // SAFETY: expressions of this level; neither grouping sets nor details are asked for.
        unsafe {
            pg_sys::estimate_num_groups(
                self.as_ptr(),
                expressions.as_ptr(),
                rows,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
            )
        }
    }

    /// The relation of a stage after the joins.
    pub fn upper_rel(self, stage: UpperRelationKind::Type, relids: Relids<'a>) -> Rel<'a> {
        // SAFETY: finds or makes the relation.
        unsafe {
            Rel::new(pg_sys::fetch_upper_rel(
                self.as_ptr(),
                stage,
                relids.as_ptr(),
            ))
        }
    }

    /// What the sorted relation is to give.
    pub fn ordered_target(self) -> Option<Target<'a>> {
        let target = self.upper_targets[UpperRelationKind::UPPERREL_ORDERED as usize];
        // SAFETY: null, or a target of this level.
        (!target.is_null()).then(|| unsafe { Target::new(target) })
    }

    pub fn order(self) -> ListRef<'a, PathKey> {
        // SAFETY: a list of path keys.
        unsafe { ListRef::new(self.sort_pathkeys) }
    }

    pub fn order_of_groups(self) -> ListRef<'a, PathKey> {
        // SAFETY: as above.
        unsafe { ListRef::new(self.group_pathkeys) }
    }

    pub fn order_of_distinct(self) -> ListRef<'a, PathKey> {
        // SAFETY: as above.
        unsafe { ListRef::new(self.distinct_pathkeys) }
    }

    /// A target of our own with its cost and width.
    pub fn measured(self, target: Target<'a>) -> Target<'a> {
        // SAFETY: expressions of this level; gives the same target.
        unsafe {
            Target::new(pg_sys::set_pathtarget_cost_width(
                self.as_ptr(),
                target.as_ptr(),
            ))
        }
    }
}

/// An index of the range table as PostgreSQL's fields have it.
pub fn signed(index: Index) -> i32 {
    i32::try_from(index).expect("a range table has fewer entries")
}
