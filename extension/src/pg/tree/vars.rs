//! Columns and aggregates in expressions.

use super::{ListRef, NodeRef};
use pgrx::pg_sys::{self, Node, Var};

impl<'a> NodeRef<'a, Node> {
    /// Has the expression a column of its own level in it?
    pub fn has_columns(self) -> bool {
        // SAFETY: walks a valid tree, read only.
        unsafe { pg_sys::contain_var_clause(self.as_ptr()) }
    }

    /// Has the expression a column, an aggregate, a window function or a place holder in it?
    pub fn depends_on_rows(self) -> bool {
        let flags = pg_sys::PVC_INCLUDE_AGGREGATES
            | pg_sys::PVC_INCLUDE_WINDOWFUNCS
            | pg_sys::PVC_INCLUDE_PLACEHOLDERS;
        // SAFETY: walks a valid tree, read only, and gives a new list.
        unsafe { !pg_sys::pull_var_clause(self.as_ptr(), flags as i32).is_null() }
    }

    /// Has the expression an aggregate of its own level in it?
    pub fn has_aggregates(self) -> bool {
        // SAFETY: walks a valid tree, read only.
        unsafe { pg_sys::contain_agg_clause(self.as_ptr()) }
    }

    /// The columns in the expression, also inside of aggregates and place holders; one that comes again is there again.
    pub fn columns(self) -> ListRef<'a, Var> {
        let flags = pg_sys::PVC_RECURSE_AGGREGATES
            | pg_sys::PVC_RECURSE_WINDOWFUNCS
            | pg_sys::PVC_RECURSE_PLACEHOLDERS;
        // SAFETY: walks a valid tree, read only; where all else is walked into, the list has columns only.
        unsafe { ListRef::new(pg_sys::pull_var_clause(self.as_ptr(), flags as i32)) }
    }
}
