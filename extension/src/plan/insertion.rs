//! INSERT of several rows as text.
//!
//! The rewriter has put the columns into the table's order and added defaults, but PostgreSQL's deparser writes the source's own
//! columns after the list of the table's: where these differ, the source is wrapped into a SELECT of what is inserted.

use crate::pg::tree::build::{alias, number_of, select_from, target, var};
use crate::pg::tree::change::{change_columns, deepen};
use crate::pg::tree::{copy, list_of, make, ListRef, NodeMut, NodeRef};
use crate::plan::casts::strip_casts;
use pgrx::pg_sys::{CmdType, List, Query, RTEKind, RangeTblEntry, RangeTblRef, TargetEntry, Var};

/// Makes the source of an INSERT give just the columns that are inserted, in their order.
pub fn fit_source(query: &mut NodeMut<'_, Query>) {
    if query.commandType != CmdType::CMD_INSERT {
        return;
    }
    let Some((rti, source)) = source_of(query.as_ref()) else {
        return;
    };
    if fits(query.as_ref(), rti, source) {
        return;
    }
    let mut inner = make::<RangeTblEntry>();
    *inner = *source;
    inner.inFromCl = true;
    // It lies a level deeper now.
    if let Some(mut subquery) = inner.child::<Query>(|entry| entry.subquery()) {
        deepen(&mut subquery, 1, 1);
    }
    let mut wrapper = select_from(inner.into_ref());
    let given: Vec<_> = query
        .as_ref()
        .targets()
        .iter()
        .enumerate()
        .map(|(index, entry)| given_column(rti, index, entry))
        .collect();
    wrapper.targetList = list_of(given.iter().copied()).as_ptr();
    wrapper.hasSubLinks = given.iter().any(|column| has_sublink(*column));
    let names = alias(c"source", given.iter().filter_map(|column| column.name()));
    for (mut entry, column) in query
        .children(|query| query.targets())
        .into_iter()
        .zip(given)
    {
        let of = column.expression().expect("made above").value_type();
        entry.expr = var(rti, column.resno, of).as_ptr().cast();
    }
    let mut around = make::<RangeTblEntry>();
    around.rtekind = RTEKind::RTE_SUBQUERY;
    around.subquery = wrapper.as_ptr();
    around.eref = names.as_ptr();
    around.inFromCl = true;
    if let Some(mut source) = query.child(|query| query.entry(rti)) {
        *source = *around;
    }
}

/// What is inserted by this entry of the target list, as a column of the source.
fn given_column<'a>(
    rti: i32,
    index: usize,
    entry: NodeRef<'_, TargetEntry>,
) -> NodeRef<'a, TargetEntry> {
    let mut expression = copy(entry.expression().expect("an entry has an expression"));
    deepen(&mut expression, 1, 1);
    change_columns(&mut expression, rti, 1);
    target(expression.into_ref(), number_of(index), entry.name()).into_ref()
}

fn has_sublink(column: NodeRef<'_, TargetEntry>) -> bool {
    column
        .expression()
        .is_some_and(|expression| expression.has_sublink())
}

/// The subquery or VALUES list that the rows come from: its number in the range table.
fn source_of(query: NodeRef<'_, Query>) -> Option<(i32, NodeRef<'_, RangeTblEntry>)> {
    let sources = query.join_tree()?.items();
    if sources.len() != 1 {
        return None;
    }
    let rti = sources.first()?.cast::<RangeTblRef>()?.rtindex;
    let entry = query.entry(rti)?;
    let gives_rows = matches!(entry.rtekind, RTEKind::RTE_SUBQUERY | RTEKind::RTE_VALUES);
    gives_rows.then_some((rti, entry))
}

/// Are the inserted columns the source's, one after the other and all of them?
fn fits(query: NodeRef<'_, Query>, rti: i32, source: NodeRef<'_, RangeTblEntry>) -> bool {
    let given = match source.subquery() {
        Some(subquery) => {
            let visible = subquery.targets().iter().filter(|entry| !entry.resjunk);
            visible.count()
        }
        None => source.values_lists().first().map_or(0, values),
    };
    query.targets().len() == given
        && query.targets().iter().enumerate().all(|(index, entry)| {
            entry
                .expression()
                .and_then(|expression| strip_casts(expression).cast::<Var>())
                .is_some_and(|var| var.varno == rti && var.varattno as usize == index + 1)
        })
}

/// How many values a row of VALUES has.
fn values(row: NodeRef<'_, List>) -> usize {
    // SAFETY: rows of VALUES are lists of expressions.
    let values: ListRef<'_> = unsafe { row.elements() };
    values.len()
}
