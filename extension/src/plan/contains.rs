//! Whether an expression can be computed before any row is there.

use crate::pg::entry::guarded;
use crate::pg::raw;
use pgrx::pg_sys::{self, Node};
use std::ffi::c_void;

/// Any column, aggregate or executor parameter, at any level?
pub fn contains_column(node: *mut Node) -> bool {
    // SAFETY: the walker reads a valid expression.
    unsafe { guarded(|| find_column(node, std::ptr::null_mut())) }
}

/// The same for callbacks of walks.
///
/// # Safety
/// A valid expression, or null.
pub unsafe extern "C-unwind" fn find_column(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: a valid expression tree.
    unsafe {
        match (*node).type_ {
            pg_sys::NodeTag::T_Var
            | pg_sys::NodeTag::T_Aggref
            | pg_sys::NodeTag::T_WindowFunc
            | pg_sys::NodeTag::T_GroupingFunc
            | pg_sys::NodeTag::T_CaseTestExpr
            | pg_sys::NodeTag::T_CoerceToDomainValue
            | pg_sys::NodeTag::T_SetToDefault
            | pg_sys::NodeTag::T_CurrentOfExpr => true,
            pg_sys::NodeTag::T_Param => {
                (*node.cast::<pg_sys::Param>()).paramkind != pg_sys::ParamKind::PARAM_EXTERN
            }
            _ => raw::expression_tree_walker(node, find_column, context),
        }
    }
}
