//! A DELETE whose rows are inserted elsewhere by the same statement.
//!
//! # How it works
//! Whoever waits for such a row must not take it for deleted: PostgreSQL raises 40001 there when it moves a row between
//! partitions, and so do we. The text of the DELETE says it by the condition `expanse.row_moves(key)` ([`mark`]). Each
//! node that plans the text takes the condition out ([`take`]) and puts the Moving custom scan on top of the plan ([`wrap`],
//! [`crate::scan::moving_scan`]), which lets the deletions say that the rows have moved.

use crate::pg::list::nodes;
use crate::pg::names::function;
use crate::pg::tree::NodeRef;
use crate::plan::statement::custom_scan;
use crate::scan::moving_scan;
use pgrx::pg_sys::*;

/// Adds the condition that says what becomes of the rows. `key` is a column of the target, so that the condition stays in
/// the text.
///
/// # Safety
/// An analysed DELETE of ours to change, and a column of it.
pub unsafe fn mark(deletion: *mut Query, key: *mut Var) {
    // SAFETY: as the caller promises; nodes are palloc'd.
    unsafe {
        let call = makeFuncExpr(
            moves_function(),
            BOOLOID,
            lappend(std::ptr::null_mut(), key.cast()),
            InvalidOid,
            (*key).varcollid,
            CoercionForm::COERCE_EXPLICIT_CALL,
        );
        let tree = (*deletion).jointree;
        (*tree).quals = make_and_qual((*tree).quals, call.cast());
    }
}

/// Takes the condition out of a DELETE that has it. Quick for all others.
pub fn take(query: *mut Query) -> bool {
    // SAFETY: PostgreSQL's analysed query tree, the planner's to change.
    unsafe {
        if (*query).commandType != CmdType::CMD_DELETE || (*query).jointree.is_null() {
            return false;
        }
        let tree = (*query).jointree;
        let conditions = make_ands_implicit((*tree).quals.cast());
        let mut kept = std::ptr::null_mut();
        let mut found = false;
        for condition in nodes::<Node>(conditions) {
            if says_so(condition) {
                found = true;
            } else {
                kept = lappend(kept, condition.cast());
            }
        }
        if found {
            (*tree).quals = if kept.is_null() {
                std::ptr::null_mut()
            } else {
                make_ands_explicit(kept).cast()
            };
        }
        found
    }
}

unsafe fn says_so(condition: *mut Node) -> bool {
    // SAFETY: a condition of the analysed query; its function exists.
    unsafe {
        if !crate::is_a!(condition, T_FuncExpr) {
            return false;
        }
        let called = (*condition.cast::<FuncExpr>()).funcid;
        called.to_u32() >= FirstNormalObjectId && called == moves_function()
    }
}

fn moves_function() -> Oid {
    function(c"row_moves", &[ANYELEMENTOID])
}

/// Puts Moving on top of the DELETE's plan.
pub fn wrap(stmt: *mut PlannedStmt) {
    // SAFETY: the statement is PostgreSQL's finished plan, ours to extend.
    unsafe {
        let child = NodeRef::present((*stmt).planTree);
        (*stmt).planTree = custom_scan(child, moving_scan::MOVING.table())
            .as_ptr()
            .cast();
    };
}

crate::sql_function! {
    /// `expanse.row_moves(anyelement) -> bool`: says in a DELETE's text that its rows are inserted elsewhere. It is taken out
    /// before the DELETE is planned; in any other place it is true.
    fn row_moves(args) {
        let _ = args;
        Some(true)
    }
}
