//! A DELETE whose rows are inserted elsewhere by the same statement.
//!
//! # How it works
//! A session that waits for such a row must not take it for deleted: PostgreSQL raises 40001 there when it moves a row between
//! partitions, and so do we. The text of the DELETE says it by the condition `expanse.row_moves(key)` ([`mark`]). Each
//! node that plans the text takes the condition out ([`take_mark`]) and puts the Moving custom scan on top of the plan
//! ([`wrap`], [`crate::scan::moving_scan`]), which lets the deletions say that the rows have moved.

use crate::pg::catalog::is_built_in;
use crate::pg::names::function;
use crate::pg::tree::build::{add_condition, all_of, call, conjuncts, pointer};
use crate::pg::tree::{list_of, NodeMut, NodeRef};
use crate::plan::statement::custom_scan;
use crate::scan::moving_scan;
use pgrx::pg_sys::{CmdType, FuncExpr, Oid, PlannedStmt, Query, Var, ANYELEMENTOID, BOOLOID};

/// Adds the condition to a DELETE that says what becomes of the rows. `key` is a column of the target, so that the condition
/// stays in the text.
pub fn mark(deletion: &mut NodeMut<'_, Query>, key: NodeRef<'_, Var>) {
    let call = call(moves_function(), BOOLOID, [key.node()], key.varcollid);
    if let Some(mut tree) = deletion.child(|query| query.join_tree()) {
        add_condition(&mut tree, call.into_ref().node());
    }
}

/// Takes the condition out of a DELETE that has it. Quick for all others.
pub fn take_mark(query: &mut NodeMut<'_, Query>) -> bool {
    if query.commandType != CmdType::CMD_DELETE {
        return false;
    }
    let Some(mut tree) = query.child(|query| query.join_tree()) else {
        return false;
    };
    let (marks, others): (Vec<_>, Vec<_>) = conjuncts(tree.as_ref().conditions())
        .iter()
        .partition(|condition| is_mark(*condition));
    if marks.is_empty() {
        return false;
    }
    let others = pointer(all_of(list_of(others)));
    tree.quals = others;
    true
}

fn is_mark(condition: NodeRef<'_>) -> bool {
    condition
        .cast::<FuncExpr>()
        .is_some_and(|call| !is_built_in(call.funcid) && call.funcid == moves_function())
}

fn moves_function() -> Oid {
    function(c"row_moves", &[ANYELEMENTOID])
}

/// Puts Moving on top of the DELETE's plan.
pub fn wrap(stmt: &mut NodeMut<'_, PlannedStmt>) {
    let child = stmt.as_ref().plan().expect("a statement has a plan");
    let top = custom_scan(child, moving_scan::MOVING.table())
        .as_ptr()
        .cast();
    stmt.planTree = top;
}

crate::sql_function! {
    /// `expanse.row_moves(anyelement) -> bool`: says in a DELETE's text that its rows are inserted elsewhere. It is taken out
    /// before the DELETE is planned; in any other place it is true.
    fn row_moves(args) {
        let _ = args;
        Some(true)
    }
}
