//! PostgreSQL's tree walkers without pgrx's guard.
//!
//! Their callbacks are Rust, and a guard between two Rust frames would turn an error inside the callback into an abort.
//! The callbacks keep nothing droppable on the stack.

use pgrx::pg_sys::*;
use std::ffi::c_void;

pub type Walker = unsafe extern "C-unwind" fn(*mut Node, *mut c_void) -> bool;
pub type Mutator = unsafe extern "C-unwind" fn(*mut Node, *mut c_void) -> *mut Node;
pub type Checker = unsafe extern "C-unwind" fn(Oid, *mut c_void) -> bool;

extern "C-unwind" {
    pub fn expression_tree_walker(node: *mut Node, walker: Walker, context: *mut c_void) -> bool;
    pub fn query_tree_walker(
        query: *mut Query,
        walker: Walker,
        context: *mut c_void,
        flags: i32,
    ) -> bool;
    pub fn expression_tree_mutator(
        node: *mut Node,
        mutator: Mutator,
        context: *mut c_void,
    ) -> *mut Node;
    pub fn check_functions_in_node(node: *mut Node, checker: Checker, context: *mut c_void)
        -> bool;
    pub fn get_relids_in_jointree(tree: *mut Node, include_joins: bool) -> Relids;
    pub fn get_agg_clause_costs(
        root: *mut PlannerInfo,
        split: AggSplit::Type,
        costs: *mut AggClauseCosts,
    );
}
