//! Expressions that fill the rows that are there: the default of a new column, `ALTER COLUMN ... TYPE ... USING`. Every node
//! computes them for its own rows.
//!
//! Copies of a replicated table must come out alike: nothing may depend on the moment, on chance or on the node. Conversions between
//! types may depend on settings, which are the same on all nodes. Rows of a distributed table may differ in that, but a
//! function of a user may read tables, of which each node would see its own part.

use super::refuse;
use crate::catalog::{names, spi, Metadata, TableKind};
use crate::planner::ship::unseen;
use pgrx::pg_sys::{self, CoercionForm, Node, NodeTag, Oid};
use std::ffi::{c_void, CString};
use std::panic::{catch_unwind, AssertUnwindSafe};

/// A default of a new column of this table.
pub fn check_default(metadata: &Metadata, relation: Oid, column: &str) {
    let Ok(name) = CString::new(column) else {
        return;
    };
    // SAFETY: the relation is open during the lookup; the default is a tree in the current memory context.
    let default = unsafe {
        let open = pg_sys::relation_open(relation, pg_sys::AccessShareLock as i32);
        let number = pg_sys::get_attnum(relation, name.as_ptr());
        let default = if number > 0 {
            pg_sys::build_column_default(open, number.into())
        } else {
            std::ptr::null_mut()
        };
        pg_sys::relation_close(open, pg_sys::NoLock as i32);
        default
    };
    refuse_if_differing(
        metadata,
        relation,
        default,
        "a new default",
        "Add the column without a default, fill it, and then set the default.",
    );
}

/// A USING as the parser made it.
pub fn check_using(metadata: &Metadata, relation: Oid, raw: *mut Node) {
    if raw.is_null() {
        return;
    }
    let lock = pg_sys::AccessShareLock as i32;
    // SAFETY: the relation exists; it is closed below, and the lock stays.
    let open = unsafe { pg_sys::relation_open(relation, lock) };
    // What is wrong with it PostgreSQL says in its own words when it runs the statement.
    let analysed = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the relation is open; the analysis gets a copy of the tree.
        unsafe {
            let pstate = pg_sys::make_parsestate(std::ptr::null_mut());
            let none = std::ptr::null_mut();
            let item = pg_sys::addRangeTableEntryForRelation(pstate, open, lock, none, false, true);
            pg_sys::addNSItemToQuery(pstate, item, false, true, true);
            let copy = pg_sys::copyObjectImpl(raw.cast()).cast();
            let kind = pg_sys::ParseExprKind::EXPR_KIND_ALTER_COL_TRANSFORM;
            pg_sys::transformExpr(pstate, copy, kind)
        }
    }));
    // SAFETY: opened above.
    unsafe { pg_sys::relation_close(open, pg_sys::NoLock as i32) };
    let Ok(expression) = analysed else { return };
    refuse_if_differing(
        metadata,
        relation,
        expression,
        "ALTER COLUMN ... TYPE ... USING",
        "Add a column of the new type, fill it, and drop the old one.",
    );
}

fn refuse_if_differing(
    metadata: &Metadata,
    relation: Oid,
    expression: *mut Node,
    what: &str,
    hint: &str,
) {
    let Some(table) = metadata.table(relation) else {
        return;
    };
    let nothing = std::ptr::null_mut();
    // SAFETY: an analysed expression, or null, read only.
    let (differs, with) = unsafe {
        match table.kind {
            TableKind::Replicated => (
                differs(expression, nothing),
                "a function that is not immutable",
            ),
            TableKind::Distributed { .. } => (
                may_read(expression, nothing),
                "a function that may read tables",
            ),
        }
    };
    if differs && holds_rows(relation) {
        refuse::raise(metadata, relation, &format!("{what} with {with}"), hint);
    }
}

/// Could two nodes compute different values from the same row?
unsafe extern "C-unwind" fn differs(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: a valid tree, read only.
    unsafe {
        let changing = match (*node).type_ {
            NodeTag::T_SQLValueFunction | NodeTag::T_NextValueExpr => true,
            NodeTag::T_CoerceViaIO => {
                pg_sys::check_functions_in_node(node, Some(volatile_or_made), context)
            }
            NodeTag::T_FuncExpr if converts(node.cast()) => {
                pg_sys::check_functions_in_node(node, Some(volatile_or_made), context)
            }
            _ => pg_sys::check_functions_in_node(node, Some(mutable), context),
        };
        changing || pg_sys::expression_tree_walker(node, Some(differs), context)
    }
}

unsafe fn converts(call: *mut pg_sys::FuncExpr) -> bool {
    // SAFETY: the caller's node.
    let form = unsafe { (*call).funcformat };
    matches!(
        form,
        CoercionForm::COERCE_EXPLICIT_CAST | CoercionForm::COERCE_IMPLICIT_CAST
    )
}

unsafe extern "C-unwind" fn mutable(function: Oid, _context: *mut c_void) -> bool {
    // SAFETY: a catalog lookup of an existing function.
    unsafe { pg_sys::func_volatile(function) as u8 != pg_sys::PROVOLATILE_IMMUTABLE }
}

/// Of a conversion: PostgreSQL's own stable ones depend on settings only.
unsafe extern "C-unwind" fn volatile_or_made(function: Oid, context: *mut c_void) -> bool {
    // SAFETY: catalog lookups of an existing function.
    unsafe {
        pg_sys::func_volatile(function) as u8 == pg_sys::PROVOLATILE_VOLATILE
            || unseen(function, context)
    }
}

unsafe extern "C-unwind" fn may_read(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: a valid tree, read only.
    unsafe {
        pg_sys::check_functions_in_node(node, Some(unseen), context)
            || pg_sys::expression_tree_walker(node, Some(may_read), context)
    }
}

/// Does the table have rows, on any node?
fn holds_rows(relation: Oid) -> bool {
    names::qualified(relation)
        .is_some_and(|name| spi::holds(&format!("SELECT EXISTS (SELECT FROM ONLY {name})")))
}
