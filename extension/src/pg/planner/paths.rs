//! Paths, as PostgreSQL's planner makes them.

use super::{references, Planner, Rel, Target};
use crate::pg::entry::guarded;
use crate::pg::raw;
use crate::pg::tree::ListRef;
use pgrx::pg_sys::{self, AggClauseCosts, AggSplit, AggStrategy, Node, PathKey, SortGroupClause};

references! {
    /// A path of the planner.
    PathRef(Path);
}

impl<'a> PathRef<'a> {
    pub fn target(self) -> Target<'a> {
        // SAFETY: every path has a target.
        unsafe { Target::new(self.pathtarget) }
    }

    /// The same path, of which another target is known to be what it gives.
    pub fn giving(self, target: Target<'a>) -> Self {
        // SAFETY: a field of a path that is new.
        unsafe { (*self.as_ptr()).pathtarget = target.as_ptr() };
        self
    }
}

/// An aggregation over a path.
pub struct Aggregation<'a> {
    pub clause: ListRef<'a, SortGroupClause>,
    /// Conditions over the groups.
    pub having: ListRef<'a, Node>,
    pub split: AggSplit::Type,
    pub target: Target<'a>,
    pub costs: Option<AggClauseCosts>,
    pub groups: f64,
}

impl<'a> Planner<'a> {
    /// The path's rows sorted; only the first ones where `limit` says how many are wanted.
    pub fn sorted(
        self,
        rel: Rel<'a>,
        path: PathRef<'a>,
        order: ListRef<'a, PathKey>,
        limit: Option<f64>,
    ) -> PathRef<'a> {
        let all = -1.0;
        // SAFETY: everything belongs to this level of planning.
        unsafe {
            let sorted = pg_sys::create_sort_path(
                self.as_ptr(),
                rel.as_ptr(),
                path.as_ptr(),
                order.as_ptr(),
                limit.unwrap_or(all),
            );
            PathRef::new(std::ptr::from_mut(&mut (*sorted).path))
        }
    }

    pub fn aggregated(
        self,
        rel: Rel<'a>,
        path: PathRef<'a>,
        strategy: AggStrategy::Type,
        aggregation: &Aggregation<'a>,
    ) -> PathRef<'a> {
        let costs = aggregation.costs.as_ref();
        // SAFETY: everything belongs to this level of planning; the costs may be null.
        unsafe {
            let aggregated = pg_sys::create_agg_path(
                self.as_ptr(),
                rel.as_ptr(),
                path.as_ptr(),
                aggregation.target.as_ptr(),
                strategy,
                aggregation.split,
                aggregation.clause.as_ptr(),
                aggregation.having.as_ptr(),
                costs.map_or(std::ptr::null(), std::ptr::from_ref),
                aggregation.groups,
            );
            PathRef::new(std::ptr::from_mut(&mut (*aggregated).path))
        }
    }

    /// The rows of a sorted path without those whose first `columns` columns come again.
    pub fn unique(
        self,
        rel: Rel<'a>,
        path: PathRef<'a>,
        columns: usize,
        groups: f64,
    ) -> PathRef<'a> {
        // SAFETY: everything belongs to this level of planning.
        unsafe {
            let unique = pg_sys::create_upper_unique_path(
                self.as_ptr(),
                rel.as_ptr(),
                path.as_ptr(),
                columns as i32,
                groups,
            );
            PathRef::new(std::ptr::from_mut(&mut (*unique).path))
        }
    }

    /// The path with its target computed from what it gives.
    pub fn projected(self, rel: Rel<'a>, path: PathRef<'a>, target: Target<'a>) -> PathRef<'a> {
        // SAFETY: everything belongs to this level of planning.
        unsafe {
            PathRef::new(pg_sys::apply_projection_to_path(
                self.as_ptr(),
                rel.as_ptr(),
                path.as_ptr(),
                target.as_ptr(),
            ))
        }
    }

    /// What the final step of the query's aggregates costs when they are combined from parts.
    pub fn costs_of_combining(self) -> AggClauseCosts {
        let mut costs = AggClauseCosts::default();
        // SAFETY: adds to zeroed costs.
        unsafe {
            guarded(|| {
                let split = AggSplit::AGGSPLIT_FINAL_DESERIAL;
                raw::get_agg_clause_costs(self.as_ptr(), split, &mut costs);
            });
        }
        costs
    }
}

/// Can rows be grouped by these clauses with a hash table?
pub fn is_hashable(clause: ListRef<'_, SortGroupClause>) -> bool {
    // SAFETY: a list of clauses.
    unsafe { pg_sys::grouping_is_hashable(clause.as_ptr()) }
}

/// Can rows be grouped by these clauses by sorting?
pub fn is_sortable(clause: ListRef<'_, SortGroupClause>) -> bool {
    // SAFETY: a list of clauses.
    unsafe { pg_sys::grouping_is_sortable(clause.as_ptr()) }
}
