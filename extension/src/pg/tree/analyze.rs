//! Expressions of statements analysed ahead of PostgreSQL.

use super::{copy, walk, NodeRef, Step};
use crate::pg::names;
use pgrx::pg_sys::{self, ColumnDef, ConstrType, Node, NodeTag, Oid, ParseExprKind, ParseState};
use std::ffi::CString;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::null_mut;

/// What `analysis` gives; `None` where it raises: PostgreSQL says what is wrong in its own words when it runs the statement.
fn quietly<'a>(analysis: impl FnOnce() -> *mut Node) -> Option<NodeRef<'a>> {
    let analysed = catch_unwind(AssertUnwindSafe(analysis)).ok()?;
    // SAFETY: null, or a tree in the current memory context.
    unsafe { NodeRef::new(analysed) }
}

/// Analyses a copy of an expression.
///
/// # Safety
/// `state` is a parse state of the current memory context.
unsafe fn transform(
    state: *mut ParseState,
    raw: NodeRef<'_>,
    kind: ParseExprKind::Type,
) -> *mut Node {
    // SAFETY: as the caller promises.
    unsafe { pg_sys::transformExpr(state, copy(raw).as_ptr(), kind) }
}

/// An expression about the columns of a table, which the statement has locked or is about to lock.
pub fn about_table<'a>(
    raw: NodeRef<'_>,
    table: Oid,
    kind: ParseExprKind::Type,
) -> Option<NodeRef<'a>> {
    let lock = pg_sys::AccessShareLock as i32;
    // SAFETY: the table exists; it is closed below, and the lock stays.
    let open = unsafe { pg_sys::relation_open(table, lock) };
    let analysed = quietly(|| {
        // SAFETY: the table is open; its columns become visible to the expression.
        unsafe {
            let state = pg_sys::make_parsestate(null_mut());
            let item =
                pg_sys::addRangeTableEntryForRelation(state, open, lock, null_mut(), false, true);
            pg_sys::addNSItemToQuery(state, item, false, true, true);
            transform(state, raw, kind)
        }
    });
    // SAFETY: opened above.
    unsafe { pg_sys::relation_close(open, pg_sys::NoLock as i32) };
    analysed
}

/// What fills the rows that are there of a new column: its own default, or that of its type.
pub fn default_of_definition<'a>(column: NodeRef<'_, ColumnDef>) -> Option<NodeRef<'a>> {
    let own = column
        .constraints()
        .iter()
        .find(|constraint| constraint.contype == ConstrType::CONSTR_DEFAULT);
    if let Some(own) = own {
        let raw = own.raw_expression()?;
        // SAFETY: a parse state of its own; defaults name no columns.
        return quietly(|| unsafe {
            let state = pg_sys::make_parsestate(null_mut());
            transform(state, raw, ParseExprKind::EXPR_KIND_COLUMN_DEFAULT)
        });
    }
    let name = column.type_name()?;
    quietly(|| match names::type_of(name) {
        // SAFETY: a type that exists; gives a tree in the current memory context, or null.
        Some(of_type) => unsafe { pg_sys::get_typdefault(of_type) },
        None => null_mut(),
    })
}

/// The default of a column of a table, or of its type.
pub fn default_of_column<'a>(table: Oid, column: &str) -> Option<NodeRef<'a>> {
    let column = CString::new(column).ok()?;
    // SAFETY: the table is open during the lookup; the default is a tree in the current memory context, or null.
    unsafe {
        let open = pg_sys::relation_open(table, pg_sys::AccessShareLock as i32);
        let number = pg_sys::get_attnum(table, column.as_ptr());
        let default = if number > 0 {
            pg_sys::build_column_default(open, number.into())
        } else {
            null_mut()
        };
        pg_sys::relation_close(open, pg_sys::NoLock as i32);
        NodeRef::new(default)
    }
}

/// Does an analysed expression take values from a sequence?
pub fn uses_sequence(expression: NodeRef<'_>) -> bool {
    let reads = |function: Oid| {
        matches!(
            function.to_u32(),
            pg_sys::F_NEXTVAL | pg_sys::F_CURRVAL | pg_sys::F_LASTVAL
        )
    };
    walk(expression, &mut |node| match node.tag() {
        NodeTag::T_NextValueExpr => Step::Stop,
        // As PostgreSQL's own walker of expressions: a sublink's query is another level.
        NodeTag::T_Query => Step::Over,
        _ if node.calls(&mut { reads }) => Step::Stop,
        _ => Step::Into,
    })
}
