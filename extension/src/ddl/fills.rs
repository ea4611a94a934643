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
use crate::pg::tree::analyze::{about_table, default_of_column, uses_sequence};
use crate::pg::tree::{walk, NodeRef, Step};
use crate::pg::{names, spi};
use crate::plan::deparse::function_may_read_tables;
use expanse_core::utility::refusal;
use pgrx::pg_sys::{CoercionForm, FuncExpr, NodeTag, Oid, ParseExprKind, Query};

/// Refuses (raises) a default of a new column of this table.
pub fn check_default(metadata: &Metadata, relation: Oid, column: &str) {
    if let Some(default) = default_of_column(relation, column) {
        refuse_if_differing(
            metadata,
            relation,
            default,
            "a new default",
            "Add the column without a default, fill it, and then set the default.",
        );
    }
}

/// Refuses (raises) a USING, as the parser made it.
pub fn check_using(metadata: &Metadata, relation: Oid, raw: NodeRef<'_>) {
    let kind = ParseExprKind::EXPR_KIND_ALTER_COL_TRANSFORM;
    let Some(expression) = about_table(raw, relation, kind) else {
        return;
    };
    if uses_sequence(expression) && holds_rows(relation) {
        refuse::refuse(metadata, relation, refusal::USING_SEQUENCE);
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
    expression: NodeRef<'_>,
    what: &str,
    hint: &str,
) {
    let Some(table) = metadata.table(relation) else {
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
    match (found, node.is::<Query>()) {
        (true, _) => Step::Stop,
        (false, true) => Step::Over,
        (false, false) => Step::Into,
    }
}

fn converts(node: NodeRef) -> bool {
    node.cast::<FuncExpr>().is_some_and(|call| {
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
