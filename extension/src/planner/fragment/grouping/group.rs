//! Groupings: complete on the nodes, or begun there and combined here.
//!
//! When the distribution column is among the grouping columns, every group lives on one node, and its aggregates are
//! computed there. Otherwise each node delivers its part of every group, and PostgreSQL's own Agg node combines them with
//! each aggregate's own combine, deserialize and final functions. The part of an aggregate is its transition state: for an
//! aggregate without final function that is simply its result; for the others `partial` names an
//! aggregate that gives the state.

use crate::pg::nodes::{copy, has_equal, items, length};
use crate::pg::raw;
use crate::planner::fragment::grouping::{combine, partial};
use crate::planner::fragment::info;
use crate::planner::fragment::info::Fragment;
use crate::planner::fragment::path;
use crate::planner::fragment::path::Grouped;
use crate::planner::fragment::query::Grouping;
use crate::planner::fragment::shippable::shippable;
use pgrx::pg_sys::*;
use std::ffi::c_void;

/// What the grouping needs from below: grouping columns and aggregates.
pub struct Needs {
    pub columns: *mut PathTarget,
    clause: *mut List,
    /// Something is needed that is neither.
    other: bool,
}

/// Offers the groupings of a fragment.
///
/// # Safety
/// Called from `create_upper_paths_hook` for grouping.
pub unsafe fn consider(
    root: *mut PlannerInfo,
    input: *mut RelOptInfo,
    output: *mut RelOptInfo,
    extra: *mut GroupPathExtraData,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let Some(fragment) = info::finished(root, input) else {
            return;
        };
        let parse = (*root).parse;
        if !(*parse).groupingSets.is_null() || (*parse).hasTargetSRFs {
            return;
        }
        let having = if extra.is_null() {
            (*parse).havingQual
        } else {
            (*extra).havingQual
        };
        let target = (*output).reltarget;
        let Some(needs) = needs(target, having, (*parse).groupClause) else {
            return;
        };
        let fitting = items::<Node>((*needs.columns).exprs)
            .enumerate()
            .all(|(index, expr)| {
                let by = reference(needs.columns, index) > 0;
                shippable(expr, (*fragment).members, true) && !(by && one_value(expr))
            });
        if !fitting {
            return;
        }
        let groups = groups(root, &*fragment, &needs);
        if complete(&*fragment, &needs) {
            offer_complete(root, output, fragment, &needs, having.cast(), groups);
        } else if let Some(parts) = partial::target(needs.columns) {
            combine::offer(root, output, fragment, &needs, parts, having.cast(), groups);
        }
    }
}

/// Grouping columns and aggregates of a target and of HAVING; `None` when something else is needed.
unsafe fn needs(target: *mut PathTarget, having: *mut Node, clause: *mut List) -> Option<Needs> {
    // SAFETY: valid expressions of the planner at work.
    unsafe {
        let mut needs = Needs {
            columns: create_empty_pathtarget(),
            clause,
            other: false,
        };
        for (index, expr) in items::<Expr>((*target).exprs).enumerate() {
            let reference = reference(target, index);
            if reference > 0 && !get_sortgroupref_clause_noerr(reference, clause).is_null() {
                add_column_to_pathtarget(needs.columns, expr, reference);
            }
        }
        if length((*needs.columns).exprs) < length(clause) {
            return None;
        }
        let context = std::ptr::from_mut(&mut needs).cast::<c_void>();
        raw_walk((*target).exprs.cast(), context);
        raw_walk(having, context);
        (!needs.other).then_some(needs)
    }
}

/// Has the expression the same value in every row? It would be a parameter in the fragment's text, which nothing can be
/// grouped by, and which the planner does not look for below the grouping.
///
/// # Safety
/// A valid expression.
pub unsafe fn one_value(expr: *mut Node) -> bool {
    // SAFETY: as the caller promises.
    unsafe { !contain_var_clause(expr) }
}

/// The sort-group reference of one expression of a target; 0 for none.
///
/// # Safety
/// `target` is valid and has so many expressions.
pub unsafe fn reference(target: *mut PathTarget, index: usize) -> Index {
    // SAFETY: the array, when there is one, has an entry for each expression.
    unsafe {
        if (*target).sortgrouprefs.is_null() {
            0
        } else {
            *(*target).sortgrouprefs.add(index)
        }
    }
}

unsafe extern "C-unwind" fn raw_walk(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: a valid tree; the context is Needs.
    unsafe {
        let needs = &mut *context.cast::<Needs>();
        match (*node).type_ {
            NodeTag::T_List => {}
            NodeTag::T_Aggref => {
                if !has_equal((*needs.columns).exprs, node) {
                    add_column_to_pathtarget(needs.columns, node.cast(), 0);
                }
                return false;
            }
            _ if has_equal((*needs.columns).exprs, node) => return false,
            NodeTag::T_Var
            | NodeTag::T_PlaceHolderVar
            | NodeTag::T_GroupingFunc
            | NodeTag::T_SubPlan
            | NodeTag::T_AlternativeSubPlan => {
                needs.other = true;
                return true;
            }
            _ => {}
        }
        raw::expression_tree_walker(node, raw_walk, context)
    }
}

/// Is a grouping column of this target more than a column of a table?
///
/// # Safety
/// The expressions are valid.
pub unsafe fn any_computed(target: *mut PathTarget) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        items::<Node>((*target).exprs)
            .enumerate()
            .any(|(index, expr)| reference(target, index) > 0 && (*expr).type_ != NodeTag::T_Var)
    }
}

/// Is a distribution column that is never null by an outer join among the grouping columns?
unsafe fn complete(fragment: &Fragment, needs: &Needs) -> bool {
    // SAFETY: valid expressions.
    unsafe {
        items::<Node>((*needs.columns).exprs)
            .enumerate()
            .any(|(index, expr)| {
                reference(needs.columns, index) > 0 && has_equal(fragment.solid_keys, expr)
            })
    }
}

unsafe fn groups(root: *mut PlannerInfo, fragment: &Fragment, needs: &Needs) -> f64 {
    // SAFETY: valid expressions of the planner at work.
    unsafe {
        if needs.clause.is_null() {
            return 1.0;
        }
        let entries = (*root).processed_tlist;
        let exprs = get_sortgrouplist_exprs(needs.clause, entries);
        estimate_num_groups(
            root,
            exprs,
            fragment.rows,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    }
}

unsafe fn offer_complete(
    _root: *mut PlannerInfo,
    output: *mut RelOptInfo,
    fragment: *mut Fragment,
    needs: &Needs,
    having: *mut List,
    groups: f64,
) {
    // SAFETY: valid expressions of the planner at work; HAVING is an implicitly conjoined list here.
    unsafe {
        let shipped =
            items::<Node>(having).all(|clause| shippable(clause, (*fragment).members, true));
        let mut grouping = Grouping {
            clause: needs.clause,
            having: std::ptr::null_mut(),
        };
        let mut kept = std::ptr::null_mut();
        if shipped {
            grouping.having = crate::planner::fragment::query::conjunction(list_copy(having));
        } else {
            kept = copy(having);
        }
        let path = path::grouped(
            output,
            &Grouped {
                fragment,
                columns: needs.columns,
                target: (*output).reltarget,
                grouping,
                kept,
                rows: groups,
            },
        );
        add_path(output, path);
    }
}

impl Needs {
    pub fn clause(&self) -> *mut List {
        self.clause
    }
}
