//! PostgreSQL's tree walkers, and what their callbacks call, without pgrx's guard.
//!
//! The callbacks are Rust, and a guard between two Rust frames would turn an error inside the callback into an abort: that an
//! expression is too deep for the stack is such an error. So a walk is begun below one guard ([`crate::pg::entry::guarded`]), its
//! callbacks call nothing that has one of its own and could fail, and keep nothing droppable on the stack.

use pgrx::pg_sys::*;
use std::ffi::{c_char, c_void};

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
    pub fn query_tree_mutator(
        query: *mut Query,
        mutator: Mutator,
        context: *mut c_void,
        flags: i32,
    ) -> *mut Query;
    pub fn func_volatile(function: Oid) -> c_char;
    pub fn get_func_namespace(function: Oid) -> Oid;
    pub fn get_func_name(function: Oid) -> *mut c_char;
    pub fn get_namespace_oid(name: *const c_char, missing_ok: bool) -> Oid;
    pub fn get_parse_rowmark(query: *mut Query, rtindex: Index) -> *mut RowMarkClause;
    pub fn checkExprHasSubLink(node: *mut Node) -> bool;
    pub fn contain_mutable_functions(node: *mut Node) -> bool;
    pub fn contain_volatile_functions(node: *mut Node) -> bool;
    pub fn expression_returns_set(node: *mut Node) -> bool;
    pub fn equal(a: *const c_void, b: *const c_void) -> bool;
    pub fn copyObjectImpl(from: *const c_void) -> *mut c_void;
    pub fn lappend(list: *mut List, datum: *mut c_void) -> *mut List;
    pub fn palloc0(size: Size) -> *mut c_void;
    pub fn check_functions_in_node(node: *mut Node, checker: Checker, context: *mut c_void)
        -> bool;
    pub fn get_relids_in_jointree(tree: *mut Node, include_joins: bool) -> Relids;
    pub fn get_agg_clause_costs(
        root: *mut PlannerInfo,
        split: AggSplit::Type,
        costs: *mut AggClauseCosts,
    );
}
