//! A table of FROM as a subquery over it.

use crate::pg::catalog::columns;
use crate::pg::tree::build::{null, number_of, select_from, target, var};
use crate::pg::tree::{copy, list_of, NodeMut, ValueType};
use pgrx::pg_sys::{InvalidOid, Oid, Query, RTEKind, RangeTblEntry, TargetEntry, INT4OID};

/// Turns the entry of a locked table into that of `SELECT * FROM table`, which is returned.
pub fn table_as_subquery<'e>(entry: &'e mut NodeMut<'_, RangeTblEntry>) -> NodeMut<'e, Query> {
    let mut inner = copy(entry.as_ref());
    inner.alias = std::ptr::null_mut();
    inner.securityQuals = std::ptr::null_mut();
    let mut query = select_from(inner.into_ref());
    query.targetList = all_attributes(entry.relid).as_ptr();
    entry.rtekind = RTEKind::RTE_SUBQUERY;
    entry.relid = InvalidOid;
    entry.relkind = 0;
    entry.rellockmode = 0;
    entry.requiredPerms = 0;
    entry.checkAsUser = InvalidOid;
    entry.inh = false;
    entry.subquery = query.as_ptr();
    query
}

/// Every attribute at its own position; dropped ones as NULL.
fn all_attributes<'a>(relation: Oid) -> crate::pg::tree::ListRef<'a, TargetEntry> {
    list_of(columns(relation).iter().enumerate().map(|(index, column)| {
        let expression = if column.dropped {
            null(ValueType::plain(INT4OID)).node()
        } else {
            var(1, column.number, column.of).node()
        };
        target(expression, number_of(index), Some(&column.name)).into_ref()
    }))
}
