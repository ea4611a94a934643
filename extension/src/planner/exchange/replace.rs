//! Putting a source's rows in the place of what is read elsewhere.

use crate::pg::tree::build::{
    all_of, conjuncts, null, number_of, pointer, select_from, target, var,
};
use crate::pg::tree::change::change_columns;
use crate::pg::tree::{copy, list_of, walk, NodeMut, NodeRef, Step, ValueType};
use crate::plan::columns;
use crate::plan::subquery::table_as_subquery;
use crate::planner::exchange::rows::{become_rows, columns_of, select_rows, Column, StoredRows};
use crate::planner::exchange::Source;
use pgrx::pg_sys::{JoinExpr, JoinType, Query, RangeTblEntry, RangeTblRef, Var};

/// Replaces a table of the query by its rows, restricted by the conditions on it alone; unused columns are NULL. `None` when
/// system columns or the whole row are used.
pub fn relation<'a>(query: &mut NodeMut<'_, Query>, rti: i32) -> Option<Source<'a>> {
    let used = columns::used(query.as_ref(), rti);
    if used.first().is_some_and(|&number| number <= 0) {
        return None;
    }
    let conditions = conditions(query.as_ref(), rti);
    let mut entry = query.child(|query| query.entry(rti))?;
    let mut from = copy(entry.as_ref());
    let mut reading = table_as_subquery(&mut from);
    for mut column in reading.children(|query| query.targets()) {
        if !used.contains(&column.resno) {
            let of = column.as_ref().expression()?.value_type();
            column.expr = null(of).as_ptr().cast();
        }
    }
    if let Some(mut tree) = reading.child(|query| query.join_tree()) {
        tree.quals = pointer(conditions);
    }
    let (columns, source) = read(reading.as_ref())?;
    replace_entry(&mut entry, &columns, source)
}

/// Replaces a subquery in FROM.
pub fn subquery<'a>(entry: &mut NodeMut<'_, RangeTblEntry>) -> Option<Source<'a>> {
    let (columns, source) = read(entry.as_ref().subquery()?)?;
    replace_entry(entry, &columns, source)
}

/// Replaces rows that only this session has, so that others get them too.
pub fn returned<'a>(entry: &mut NodeMut<'_, RangeTblEntry>) -> Option<Source<'a>> {
    let function = entry.as_ref().functions().first()?;
    let modifiers = function.column_typmods().iter();
    let collations = function.column_collations().iter();
    let types = function
        .column_types()
        .iter()
        .zip(modifiers.zip(collations));
    let shown = types
        .enumerate()
        .map(|(index, (oid, (typmod, collation)))| {
            let of = ValueType {
                oid,
                typmod,
                collation,
            };
            let number = number_of(index);
            target(var(1, number, of).node(), number, None).into_ref()
        });
    let shown = list_of(shown).as_ptr();
    let mut reading = select_from(copy(entry.as_ref()).into_ref());
    reading.targetList = shown;
    let (columns, source) = read(reading.as_ref())?;
    replace_entry(entry, &columns, source)
}

/// Turns a query into one that reads its rows from the exchange.
pub fn query<'a>(inner: &mut NodeMut<'_, Query>) -> Option<Source<'a>> {
    let (columns, source) = read(inner.as_ref())?;
    let mut reading = select_rows(StoredRows::InEverySession(source.number), &columns);
    reading.canSetTag = inner.canSetTag;
    **inner = *reading;
    Some(source)
}

/// The query as a source, and the columns of its rows.
fn read<'a>(query: NodeRef<'_, Query>) -> Option<(Vec<Column>, Source<'a>)> {
    let columns = columns_of(query.targets())?;
    Some((columns, Source::of(query, false)))
}

/// Lets an entry of FROM be the source's rows, under its own name.
fn replace_entry<'a>(
    entry: &mut NodeMut<'_, RangeTblEntry>,
    columns: &[Column],
    source: Source<'a>,
) -> Option<Source<'a>> {
    let name = entry.as_ref().names()?.name()?.to_owned();
    let rows = StoredRows::InEverySession(source.number);
    become_rows(entry, rows, columns, &name);
    Some(source)
}

/// The conditions of the query's WHERE on this table alone, as of a query over it alone.
fn conditions<'a>(query: NodeRef<'_, Query>, rti: i32) -> Option<NodeRef<'a>> {
    let tree = query.join_tree()?;
    if !tree.items().iter().any(|item| is_joined_inner(item, rti)) {
        return None;
    }
    let own = conjuncts(tree.conditions())
        .iter()
        .filter(|condition| {
            is_about_only(*condition, rti) && !condition.has_sublink() && !condition.is_volatile()
        })
        .map(|condition| {
            let mut condition = copy(condition);
            change_columns(&mut condition, rti, 1);
            condition.into_ref()
        });
    let own: Vec<NodeRef<'a>> = own.collect();
    all_of(list_of(own))
}

/// Has the condition columns of this entry of FROM, and of no other one, here or around the query?
fn is_about_only(condition: NodeRef<'_>, rti: i32) -> bool {
    let mut own = false;
    let others = walk(condition, &mut |node| match node.cast::<Var>() {
        Some(var) if var.varlevelsup == 0 && var.varno == rti => {
            own = true;
            Step::Over
        }
        Some(_) => Step::Stop,
        None => Step::Into,
    });
    own && !others
}

/// Is the table a member of this part of the join tree that no outer join fills with NULLs?
fn is_joined_inner(item: NodeRef<'_>, rti: i32) -> bool {
    if let Some(reference) = item.cast::<RangeTblRef>() {
        return reference.rtindex == rti;
    }
    item.cast::<JoinExpr>().is_some_and(|join| {
        let sides = [join.left(), join.right()];
        join.jointype == JoinType::JOIN_INNER
            && sides
                .into_iter()
                .flatten()
                .any(|side| is_joined_inner(side, rti))
    })
}
