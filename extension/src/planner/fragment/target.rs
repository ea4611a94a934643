//! Columns that a fragment must deliver.

use crate::pg::nodes::{has_equal, items};
use pgrx::pg_sys::*;
use std::os::raw::c_int;

/// The columns of a target and of conditions kept here, each once.
///
/// # Safety
/// Both are valid and of the planner at work.
pub unsafe fn columns(target: *mut PathTarget, kept: *mut List) -> *mut List {
    // SAFETY: as the caller promises.
    unsafe {
        let mut columns = std::ptr::null_mut();
        for list in [(*target).exprs, kept] {
            let flags = PVC_RECURSE_PLACEHOLDERS | PVC_RECURSE_AGGREGATES | PVC_RECURSE_WINDOWFUNCS;
            for var in items::<Node>(pull_var_clause(list.cast(), flags as c_int)) {
                if !has_equal(columns, var) {
                    columns = lappend(columns, var.cast());
                }
            }
        }
        columns
    }
}

/// Does the target consist of user columns only: no whole rows, system columns or place holders?
///
/// # Safety
/// `target` is valid.
pub unsafe fn only_columns(target: *mut PathTarget) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        items::<Node>((*target).exprs)
            .all(|expr| (*expr).type_ == NodeTag::T_Var && (*expr.cast::<Var>()).varattno > 0)
    }
}
