//! SELECT DISTINCT: each node delivers each of its rows once, and what several nodes have is made one here.

use crate::pg::nodes::{items, length};
use crate::planner::fragment::cost;
use crate::planner::fragment::grouping::combine;
use crate::planner::fragment::grouping::group::{any_computed, one_value, reference};
use crate::planner::fragment::info;
use crate::planner::fragment::path;
use crate::planner::fragment::path::Grouped;
use crate::planner::fragment::query::Grouping;
use crate::planner::fragment::shippable::shippable;
use pgrx::pg_sys::*;

/// Offers the distinct rows of a fragment.
///
/// # Safety
/// Called from `create_upper_paths_hook` for DISTINCT.
pub unsafe fn consider(root: *mut PlannerInfo, input: *mut RelOptInfo, output: *mut RelOptInfo) {
    // SAFETY: as the caller promises.
    unsafe {
        let Some(fragment) = info::finished(root, input) else {
            return;
        };
        let parse = (*root).parse;
        if (*parse).hasDistinctOn || (*parse).hasTargetSRFs {
            return;
        }
        let target = (*input).reltarget;
        let clause = (*parse).distinctClause;
        let fitting = items::<Node>((*target).exprs)
            .enumerate()
            .all(|(index, expr)| {
                let by = reference(target, index);
                by > 0
                    && !get_sortgroupref_clause_noerr(by, clause).is_null()
                    && shippable(expr, (*fragment).members, false)
                    && !one_value(expr)
            });
        if !fitting || length((*target).exprs) < length(clause) {
            return;
        }
        let exprs = get_sortgrouplist_exprs(clause, (*root).processed_tlist);
        let nothing = std::ptr::null_mut();
        let groups = estimate_num_groups(root, exprs, (*fragment).rows, nothing, nothing.cast());
        let begun = path::grouped(
            output,
            &Grouped {
                fragment,
                columns: target,
                target,
                grouping: Grouping {
                    clause,
                    having: std::ptr::null_mut(),
                },
                kept: std::ptr::null_mut(),
                rows: cost::begun_groups(&*fragment, groups, any_computed(target)),
            },
        );
        combine::unite(root, output, begun, clause, groups);
    }
}
