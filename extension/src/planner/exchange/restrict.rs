//! A source whose rows only the owner of a key sees.

use crate::pg::catalog::type_collation;
use crate::pg::tree::build::{number_of, select_from, target, var};
use crate::pg::tree::{copy, list_of, make, NodeMut, NodeRef, ValueType};
use crate::plan::subquery::table_as_subquery;
use crate::planner::ownership::owned_here;
use pgrx::pg_sys::{AttrNumber, Oid, Query, RTEKind, RangeTblEntry};

/// Turns an entry of FROM into a subquery of the same columns that keeps the rows whose column `attribute` this node owns by
/// the hash map version. False for entries that have no columns of their own (joins).
pub fn become_restricted(
    entry: &mut NodeMut<'_, RangeTblEntry>,
    attribute: AttrNumber,
    type_oid: Oid,
    version: i32,
) -> bool {
    let query = match entry.rtekind {
        RTEKind::RTE_RELATION => Some(table_as_subquery(entry)),
        RTEKind::RTE_SUBQUERY | RTEKind::RTE_FUNCTION | RTEKind::RTE_VALUES => {
            become_subquery(entry)
        }
        _ => None,
    };
    let Some(mut query) = query else {
        return false;
    };
    let of = ValueType {
        collation: type_collation(type_oid),
        ..ValueType::plain(type_oid)
    };
    let owned = owned_here(var(1, attribute, of).node(), of.collation, version);
    if let Some(mut tree) = query.child(|query| query.join_tree()) {
        tree.quals = owned.as_ptr();
    }
    true
}

/// Turns an entry into that of `SELECT * FROM entry`, which is returned. `None`, and no change, when the entry is a function
/// whose columns are those of its result type.
fn become_subquery<'a>(entry: &mut NodeMut<'_, RangeTblEntry>) -> Option<NodeMut<'a, Query>> {
    let query = around(entry.as_ref())?;
    let mut new = make::<RangeTblEntry>();
    new.rtekind = RTEKind::RTE_SUBQUERY;
    new.subquery = query.as_ptr();
    new.eref = entry.eref;
    new.alias = entry.alias;
    new.inFromCl = true;
    **entry = *new;
    Some(query)
}

fn around<'a>(entry: NodeRef<'_, RangeTblEntry>) -> Option<NodeMut<'a, Query>> {
    let mut targets = Vec::new();
    for (index, name) in entry.names()?.column_names().iter().enumerate() {
        let number = number_of(index);
        let value = var(1, number, column_type(entry, index)?).node();
        targets.push(target(value, number, name.value()).into_ref());
    }
    let mut inner = copy(entry);
    inner.lateral = false;
    let mut query = select_from(inner.into_ref());
    query.targetList = list_of(targets).as_ptr();
    Some(query)
}

/// The type of an entry's column at `index` (from 0).
fn column_type(entry: NodeRef<'_, RangeTblEntry>, index: usize) -> Option<ValueType> {
    let (types, modifiers, collations) = match entry.rtekind {
        RTEKind::RTE_SUBQUERY => {
            let mut columns = entry.subquery()?.targets().iter();
            let column = columns.find(|column| column.resno == number_of(index))?;
            return Some(column.expression()?.value_type());
        }
        RTEKind::RTE_VALUES => (
            entry.column_types(),
            entry.column_typmods(),
            entry.column_collations(),
        ),
        _ => {
            let function = entry.functions().first()?;
            (
                function.column_types(),
                function.column_typmods(),
                function.column_collations(),
            )
        }
    };
    Some(ValueType {
        oid: types.iter().nth(index)?,
        typmod: modifiers.iter().nth(index)?,
        collation: collations.iter().nth(index)?,
    })
}
