//! Columns that a fragment must deliver.

use crate::pg::planner::Target;
use crate::pg::tree::{list_of, ListRef, NodeRef};
use pgrx::pg_sys::{Node, Var};

/// The columns of a target and of the coordinator's conditions, each once.
pub fn columns<'a>(target: Target<'a>, conditions: ListRef<'a, Node>) -> ListRef<'a, Var> {
    let mut columns: Vec<NodeRef<'a, Var>> = Vec::new();
    let expressions = target.expressions().iter().chain(conditions.iter());
    for column in expressions.flat_map(|expression| expression.columns().iter()) {
        if !columns.iter().any(|known| known.equals(column)) {
            columns.push(column);
        }
    }
    list_of(columns)
}

/// Does the target consist of user columns only: no whole rows, system columns or place holders?
pub fn only_columns(target: Target<'_>) -> bool {
    let is_column = |node: NodeRef<'_>| node.cast::<Var>().is_some_and(|var| var.varattno > 0);
    target.expressions().iter().all(is_column)
}

/// A target of columns alone.
pub fn of_columns<'a>(columns: impl IntoIterator<Item = NodeRef<'a, Var>>) -> Target<'a> {
    let target = Target::empty();
    for column in columns {
        target.push(column.node(), 0);
    }
    target
}
