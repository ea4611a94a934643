//! The first rows of an order: each node delivers as many as are wanted, and PostgreSQL sorts them together here.
//!
//! ORDER BY with LIMIT takes rows from the top of all nodes' rows together, so none that counts is beyond the limit on its own
//! node. The path stands below PostgreSQL's own Limit, which it always adds where there is one.

use crate::pg::nodes::items;
use crate::planner::fragment::cost;
use crate::planner::fragment::grouping::group::one_value;
use crate::planner::fragment::info;
use crate::planner::fragment::info::Fragment;
use crate::planner::fragment::path;
use crate::planner::fragment::shippable::shippable;
use crate::planner::fragment::target;
use pgrx::pg_sys::*;

/// An order and how many rows of it a node delivers.
#[derive(Clone, Copy)]
pub struct Top {
    /// `SortGroupClause`s.
    pub clauses: *mut List,
    /// The expression of each.
    pub exprs: *mut List,
    pub rows: i64,
}

/// Offers the first rows of the nodes' orders for a sorted relation.
///
/// # Safety
/// Called from `create_upper_paths_hook` for ordering.
pub unsafe fn consider(root: *mut PlannerInfo, input: *mut RelOptInfo, output: *mut RelOptInfo) {
    // SAFETY: as the caller promises.
    unsafe {
        let Some(fragment) = info::finished(root, input) else {
            return;
        };
        let Some(top) = wanted(root) else { return };
        let deliverable = columns((*input).reltarget);
        let fitting = items::<Node>(top.exprs)
            .all(|expr| shippable(expr, (*fragment).members, false) && !one_value(expr))
            && items::<Var>(deliverable)
                .all(|var| (*var).xpr.type_ == NodeTag::T_Var && (*var).varattno > 0);
        if !fitting {
            return;
        }
        let first = path::top(
            output,
            &path::Topmost {
                fragment,
                columns: deliverable,
                target: (*input).reltarget,
                top,
                rows: cost::top_rows(&*fragment, top.rows),
            },
        );
        let sorted = create_sort_path(root, output, first, (*root).sort_pathkeys, top.rows as f64);
        (*sorted).path.pathtarget = (*input).reltarget;
        let wanted = (*root).upper_targets[UpperRelationKind::UPPERREL_ORDERED as usize];
        let path = if std::ptr::eq(wanted, (*input).reltarget) {
            sorted.cast()
        } else {
            apply_projection_to_path(root, output, sorted.cast(), wanted)
        };
        add_path(output, path);
    }
}

/// What is wanted of the order, when that is a fixed number of rows and nothing but LIMIT comes after it.
unsafe fn wanted(root: *mut PlannerInfo) -> Option<Top> {
    // SAFETY: the planner's own query.
    unsafe {
        let parse = (*root).parse;
        // Negative where rows are made of others between the scan and the limit.
        if (*root).limit_tuples < 1.0
            || (*parse).commandType != CmdType::CMD_SELECT
            || !(*parse).rowMarks.is_null()
            || (*parse).limitOption != LimitOption::LIMIT_OPTION_COUNT
        {
            return None;
        }
        let count = number((*parse).limitCount)?;
        let offset = if (*parse).limitOffset.is_null() {
            0
        } else {
            number((*parse).limitOffset)?
        };
        let clauses = (*parse).sortClause;
        Some(Top {
            clauses,
            exprs: get_sortgrouplist_exprs(clauses, (*root).processed_tlist),
            rows: count.checked_add(offset).filter(|rows| *rows > 0)?,
        })
    }
}

/// A constant that is not null and not negative.
unsafe fn number(node: *mut Node) -> Option<i64> {
    // SAFETY: the tag says what it is; LIMIT and OFFSET are bigint.
    unsafe {
        if !crate::is_a!(node, T_Const) {
            return None;
        }
        let constant = &*node.cast::<Const>();
        let value = constant.constvalue.value() as i64;
        (!constant.constisnull && value >= 0).then_some(value)
    }
}

/// The columns that a target is computed from.
unsafe fn columns(target: *mut PathTarget) -> *mut List {
    // SAFETY: as the caller promises.
    unsafe { target::columns(target, std::ptr::null_mut()) }
}

/// Work of all nodes to sort their rows.
pub fn work(fragment: &Fragment, rows: i64) -> f64 {
    // SAFETY: a setting is a plain variable.
    let operator = unsafe { cpu_operator_cost };
    let kept = (rows as f64).max(2.0);
    fragment.work + fragment.rows * 2.0 * operator * kept.log2()
}
