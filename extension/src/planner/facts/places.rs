//! Columns that say where or when a row's version was written (`ctid`, `xmin`, ...): they differ between nodes.

use crate::pg::tree::{walk, walk_query, ListRef, NodeRef, Step};
use pgrx::pg_sys::{
    CaseExpr, FuncExpr, NodeTag, Query, RowCompareExpr, ScalarArrayOpExpr, SubLink,
    TableOidAttributeNumber, Var,
};

/// Does the statement use such columns, or `tableoid`, at any level? What it returns is this node's, and may.
pub fn are_used(query: NodeRef<'_, Query>) -> bool {
    any_but_returned(query, &mut |node| {
        is_column(node, |attribute| attribute < 0)
    })
}

/// Does the statement tell rows apart by such columns (`ctid = '(0,1)'`, `xmin = 7`)? On each node that would be another row.
/// Compared with such columns of other rows (`a.ctid < b.ctid`) it is what it would be on one, and so is what is returned.
pub fn tell_rows_apart(query: NodeRef<'_, Query>) -> bool {
    let returning = query.returning().node();
    walk_query(query, 0, &mut |node| {
        if returning.is_some_and(|list| list.is_same(node)) {
            Step::Over
        } else {
            compares(node)
        }
    })
}

fn any_but_returned(query: NodeRef<'_, Query>, test: &mut dyn FnMut(NodeRef) -> bool) -> bool {
    let returning = query.returning().node();
    walk_query(query, 0, &mut |node| {
        if returning.is_some_and(|list| list.is_same(node)) {
            Step::Over
        } else if test(node) {
            Step::Stop
        } else {
            Step::Into
        }
    })
}

/// Stops at a comparison of such a column with something else.
fn compares(node: NodeRef<'_>) -> Step {
    let mixed = match node.tag() {
        NodeTag::T_OpExpr | NodeTag::T_DistinctExpr | NodeTag::T_NullIfExpr => {
            node.operation().is_some_and(|it| mixes(it.arguments()))
        }
        NodeTag::T_ScalarArrayOpExpr => node
            .cast::<ScalarArrayOpExpr>()
            .is_some_and(|it| mixes(it.arguments())),
        NodeTag::T_FuncExpr => node
            .cast::<FuncExpr>()
            .is_some_and(|it| mixes(it.arguments())),
        NodeTag::T_RowCompareExpr => node.cast::<RowCompareExpr>().is_some_and(|it| {
            let mut pairs = it.left().iter().zip(it.right().iter());
            pairs.any(|(left, right)| has_place(left) != has_place(right))
        }),
        NodeTag::T_CaseExpr => node
            .cast::<CaseExpr>()
            .and_then(|case| case.argument())
            .is_some_and(has_place),
        NodeTag::T_SubLink => return compares_in_sublink(node),
        _ => false,
    };
    if mixed {
        Step::Stop
    } else {
        Step::Into
    }
}

/// What is compared with the outputs of a sublink: such columns with such columns, or not. Its own conditions are looked at too.
fn compares_in_sublink(node: NodeRef<'_>) -> Step {
    let link = node.cast::<SubLink>();
    let inner = link
        .filter(|link| link.test().is_some_and(has_place))
        .and_then(|link| link.query());
    let Some(inner) = inner else {
        return Step::Into;
    };
    let mut outputs = inner.targets().iter().filter(|entry| !entry.resjunk);
    let alike = outputs.all(|entry| entry.expression().is_some_and(has_place));
    if !alike || walk(inner.node(), &mut compares) {
        Step::Stop
    } else {
        Step::Over
    }
}

/// Do some of the arguments name a place, and others not?
fn mixes(arguments: ListRef<'_>) -> bool {
    let places = arguments.iter().filter(|argument| has_place(*argument));
    let places = places.count();
    places > 0 && places < arguments.len()
}

/// Does the expression name such a column? `tableoid` names the table on every node.
fn has_place(node: NodeRef<'_>) -> bool {
    let is_place = |attribute| attribute < 0 && attribute != TableOidAttributeNumber;
    walk(node, &mut |node| {
        if is_column(node, is_place) {
            Step::Stop
        } else {
            Step::Into
        }
    })
}

fn is_column(node: NodeRef<'_>, test: impl Fn(i32) -> bool) -> bool {
    node.cast::<Var>()
        .is_some_and(|var| test(i32::from(var.varattno)))
}
