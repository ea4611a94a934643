//! Combining here what the nodes began.

use crate::pg::raw;
use crate::planner::fragment::cost;
use crate::planner::fragment::grouping::group::{any_computed, Needs};
use crate::planner::fragment::info::Fragment;
use crate::planner::fragment::path;
use crate::planner::fragment::path::Grouped;
use crate::planner::fragment::query::Grouping;
use pgrx::pg_sys::*;

/// Offers a final aggregation over the nodes' parts, hashed and sorted as far as possible.
///
/// # Safety
/// All is valid and of the planner at work.
pub unsafe fn offer(
    root: *mut PlannerInfo,
    output: *mut RelOptInfo,
    fragment: *mut Fragment,
    needs: &Needs,
    parts: *mut PathTarget,
    having: *mut List,
    groups: f64,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let parts = set_pathtarget_cost_width(root, parts);
        let rel = fetch_upper_rel(
            root,
            UpperRelationKind::UPPERREL_PARTIAL_GROUP_AGG,
            (*output).relids,
        );
        (*rel).reltarget = parts;
        let grouping = Grouping {
            clause: needs.clause(),
            having: std::ptr::null_mut(),
        };
        let begun = path::grouped(
            rel,
            &Grouped {
                fragment,
                columns: parts,
                target: parts,
                grouping,
                kept: std::ptr::null_mut(),
                rows: cost::begun_groups(&*fragment, groups, any_computed(parts)),
            },
        );
        let mut costs = AggClauseCosts::default();
        raw::get_agg_clause_costs(root, AggSplit::AGGSPLIT_FINAL_DESERIAL, &mut costs);
        let clause = needs.clause();
        let finish = |input: *mut Path, strategy: AggStrategy::Type| {
            let path = create_agg_path(
                root,
                output,
                input,
                (*output).reltarget,
                strategy,
                AggSplit::AGGSPLIT_FINAL_DESERIAL,
                clause,
                having,
                &costs,
                groups,
            );
            add_path(output, path.cast());
        };
        if clause.is_null() {
            finish(begun, AggStrategy::AGG_PLAIN);
            return;
        }
        if grouping_is_hashable(clause) {
            finish(begun, AggStrategy::AGG_HASHED);
        }
        if grouping_is_sortable(clause) {
            let sorted = create_sort_path(root, output, begun, (*root).group_pathkeys, -1.0);
            (*sorted).path.pathtarget = parts;
            finish(sorted.cast(), AggStrategy::AGG_SORTED);
        }
    }
}

/// Offers the rows of `begun` without what comes twice by `clause`, hashed and sorted as far as possible.
///
/// # Safety
/// All is valid and of the planner at work.
pub unsafe fn unite(
    root: *mut PlannerInfo,
    output: *mut RelOptInfo,
    begun: *mut Path,
    clause: *mut List,
    groups: f64,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let target = (*begun).pathtarget;
        if grouping_is_hashable(clause) {
            let hashed = create_agg_path(
                root,
                output,
                begun,
                target,
                AggStrategy::AGG_HASHED,
                AggSplit::AGGSPLIT_SIMPLE,
                clause,
                std::ptr::null_mut(),
                std::ptr::null(),
                groups,
            );
            add_path(output, hashed.cast());
        }
        let keys = (*root).distinct_pathkeys;
        if grouping_is_sortable(clause) && !keys.is_null() {
            let sorted = create_sort_path(root, output, begun, keys, -1.0);
            (*sorted).path.pathtarget = target;
            let columns = crate::pg::nodes::length(keys) as i32;
            let unique = create_upper_unique_path(root, output, sorted.cast(), columns, groups);
            (*unique).path.pathtarget = target;
            add_path(output, unique.cast());
        }
    }
}
