//! The first rows of an order: each node delivers as many as are wanted in all, and PostgreSQL sorts them together here.
//! The path stands below PostgreSQL's own Limit, which it always adds where there is one.

use crate::pg::planner::{Planner, Rel};
use crate::pg::tree::{ListRef, NodeRef};
use crate::planner::fragment::info::Fragment;
use crate::planner::fragment::shippable::shippable;
use crate::planner::fragment::{path, target};
use expanse_core::fragment::top::{rows_of_each_node, Bound};
use pgrx::pg_sys::{CmdType, Const, LimitOption, Node, SortGroupClause};

/// An order and how many rows of it a node delivers.
#[derive(Clone, Copy)]
pub struct Top<'a> {
    pub clauses: ListRef<'a, SortGroupClause>,
    /// The expression of each.
    pub expressions: ListRef<'a, Node>,
    pub rows: i64,
}

/// Adds the first rows of the nodes' orders to a sorted relation.
pub fn consider<'a>(planner: Planner<'a>, input: Rel<'a>, output: Rel<'a>) {
    let Some(fragment) = Fragment::complete(planner, input) else {
        return;
    };
    let Some(top) = wanted(planner) else { return };
    let columns = target::columns(input.target(), ListRef::empty());
    let fitting = top.expressions.iter().all(|expression| {
        // One that is the same in every row would be a parameter, which nothing can be sorted by.
        shippable(expression, fragment.members) && expression.has_columns()
    }) && columns.iter().all(|column| column.varattno > 0);
    if !fitting {
        return;
    }
    let rows = path::top(output, fragment, columns, input.target(), top);
    let limit = Some(top.rows as f64);
    let sorted = planner
        .sorted(output, rows, planner.order(), limit)
        .giving(input.target());
    output.add_path(match planner.ordered_target() {
        Some(wanted) if wanted.as_ptr() != input.target().as_ptr() => {
            planner.projected(output, sorted, wanted)
        }
        _ => sorted,
    });
}

/// What is wanted of the order, when that is a constant number of rows and nothing but LIMIT comes after it.
fn wanted(planner: Planner<'_>) -> Option<Top<'_>> {
    let query = planner.query();
    // Negative where rows are made of others between the scan and the limit.
    let of_rows = planner.limit_tuples >= 1.0;
    if !of_rows
        || query.commandType != CmdType::CMD_SELECT
        || !query.row_marks().is_empty()
        || query.limitOption != LimitOption::LIMIT_OPTION_COUNT
    {
        return None;
    }
    let clauses = query.sort_clause();
    Some(Top {
        clauses,
        expressions: planner.expressions_of(clauses),
        rows: rows_of_each_node(bound(query.limit_count()), bound(query.limit_offset()))?,
    })
}

/// LIMIT and OFFSET are of type bigint.
fn bound(node: Option<NodeRef<'_>>) -> Bound {
    match node.map(|node| node.cast::<Const>()) {
        None => Bound::Absent,
        Some(None) => Bound::Computed,
        Some(Some(constant)) => {
            let value = constant.constvalue.value() as i64;
            Bound::Constant((!constant.constisnull).then_some(value))
        }
    }
}
