//! Expressions that fill the rows that are there: the default of a new column, `ALTER COLUMN ... TYPE ... USING`. Every node
//! computes them for its own rows.
//!
//! Copies of a replicated table must come out alike: nothing may depend on the moment, on chance or on the node. Conversions between
//! types may depend on settings, which are the same on all nodes. Rows of a distributed table may differ in that, but a
//! function of a user may read tables, of which each node would see its own part, and a sequence gives each node values of
//! its own only once the statement has run.

use crate::ddl::refuse;
use crate::metadata::cache::{Metadata, TableKind};
use crate::pg::catalog::{is_immutable, is_volatile};
use crate::pg::entry::guarded;
use crate::pg::parse_tree::list;
use crate::pg::raw;
use crate::pg::tree::{walk, NodeRef, Step};
use crate::pg::{names, spi};
use crate::plan::deparse::function_may_read_tables;
use pgrx::pg_sys::{self, CoercionForm, ConstrType, Node, NodeTag, Oid};
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

/// Does a sequence fill the rows of a new column, by the column's own default or by that of its type?
pub fn from_sequence(column: &pg_sys::ColumnDef) -> bool {
    // SAFETY: the parser's definition of a column; what is analysed is a copy, and the results are palloc'd trees or null.
    let analysed = catch_unwind(AssertUnwindSafe(|| unsafe {
        let mut own = list::<pg_sys::Constraint>(column.constraints)
            .into_iter()
            .filter(|&constraint| (*constraint).contype == ConstrType::CONSTR_DEFAULT);
        if let Some(own) = own.next() {
            let pstate = pg_sys::make_parsestate(std::ptr::null_mut());
            let copy = pg_sys::copyObjectImpl((*own).raw_expr.cast()).cast();
            let kind = pg_sys::ParseExprKind::EXPR_KIND_COLUMN_DEFAULT;
            return pg_sys::transformExpr(pstate, copy, kind);
        }
        let of_type = pg_sys::LookupTypeNameOid(std::ptr::null_mut(), column.typeName, true);
        if of_type == pg_sys::InvalidOid {
            return std::ptr::null_mut();
        }
        pg_sys::get_typdefault(of_type)
    }));
    // What is wrong with it PostgreSQL says in its own words when it runs the statement.
    analysed.is_ok_and(takes_numbers)
}

/// Does an analysed expression, or null, take values from a sequence?
fn takes_numbers(expression: *mut Node) -> bool {
    // SAFETY: read only; the walk keeps nothing droppable on the stack.
    unsafe { guarded(|| numbers(expression, std::ptr::null_mut())) }
}

unsafe extern "C-unwind" fn numbers(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: a valid tree, read only.
    unsafe {
        (*node).type_ == NodeTag::T_NextValueExpr
            || raw::check_functions_in_node(node, of_sequence, context)
            || raw::expression_tree_walker(node, numbers, context)
    }
}

unsafe extern "C-unwind" fn of_sequence(function: Oid, _context: *mut c_void) -> bool {
    matches!(
        function.to_u32(),
        pg_sys::F_NEXTVAL | pg_sys::F_CURRVAL | pg_sys::F_LASTVAL
    )
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
    if takes_numbers(expression) && holds_rows(relation) {
        refuse::raise(
            metadata,
            relation,
            "ALTER COLUMN ... TYPE ... USING with a sequence",
            "Change the type first, and then UPDATE the column.",
        );
    }
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
    // SAFETY: an analysed expression, or null.
    let Some(expression) = (unsafe { NodeRef::new(expression) }) else {
        return;
    };
    let (differs, with) = match table.kind {
        TableKind::Replicated => (differs(expression), "a function that is not immutable"),
        TableKind::Distributed { .. } => (may_read(expression), "a function that may read tables"),
    };
    if differs && holds_rows(relation) {
        refuse::raise(metadata, relation, &format!("{what} with {with}"), hint);
    }
}

/// Could two nodes compute different values from the same row?
fn differs(expression: NodeRef) -> bool {
    walk(expression, &mut |node| {
        let changing = match node.tag() {
            NodeTag::T_SQLValueFunction | NodeTag::T_NextValueExpr => true,
            NodeTag::T_CoerceViaIO => node.calls(&mut volatile_or_made),
            NodeTag::T_FuncExpr if converts(node) => node.calls(&mut volatile_or_made),
            _ => node.calls(&mut |function| !is_immutable(function)),
        };
        after(node, changing)
    })
}

/// Stops a walk at what was found; queries of sublinks are not looked into.
fn after(node: NodeRef, found: bool) -> Step {
    match (found, node.is::<pg_sys::Query>()) {
        (true, _) => Step::Stop,
        (false, true) => Step::Over,
        (false, false) => Step::Into,
    }
}

fn converts(node: NodeRef) -> bool {
    node.cast::<pg_sys::FuncExpr>().is_some_and(|call| {
        matches!(
            call.funcformat,
            CoercionForm::COERCE_EXPLICIT_CAST | CoercionForm::COERCE_IMPLICIT_CAST
        )
    })
}

/// Of a conversion: PostgreSQL's own stable ones depend on settings only.
fn volatile_or_made(function: Oid) -> bool {
    is_volatile(function) || function_may_read_tables(function)
}

fn may_read(expression: NodeRef) -> bool {
    walk(expression, &mut |node| {
        after(node, node.calls(&mut function_may_read_tables))
    })
}

/// Does the table have rows, on any node?
fn holds_rows(relation: Oid) -> bool {
    names::qualified(relation)
        .is_some_and(|name| spi::holds(&format!("SELECT EXISTS (SELECT FROM ONLY {name})")))
}
