//! Rows that sessions keep for a statement, as an entry of FROM: `expanse.exchange_rows(n)`, `expanse.returned_rows(n)`.

use crate::pg::catalog::is_pseudo_type;
use crate::pg::names::function;
use crate::pg::tree::build::{alias, call, int4, number_of, select_from, string, target, var};
use crate::pg::tree::{ints_of, list_of, make, oids_of, ListRef, NodeMut, ValueType};
use pgrx::pg_sys::{
    FuncExpr, InvalidOid, Query, RTEKind, RangeTblEntry, RangeTblFunction, TargetEntry, INT4OID,
    RECORDOID,
};
use std::ffi::{CStr, CString};

/// Rows under a number.
#[derive(Clone, Copy)]
pub enum StoredRows {
    /// In every session that runs the statement.
    InEverySession(i32),
    /// In this session alone.
    InThisSession(i32),
}

impl StoredRows {
    /// The call that gives them.
    fn call<'a>(self) -> NodeMut<'a, FuncExpr> {
        let (name, number) = match self {
            StoredRows::InEverySession(number) => (c"exchange_rows", number),
            StoredRows::InThisSession(number) => (c"returned_rows", number),
        };
        let function = function(name, &[INT4OID]);
        let mut call = call(function, RECORDOID, [int4(number).node()], InvalidOid);
        call.funcretset = true;
        call
    }
}

/// A column of stored rows.
pub struct Column {
    name: CString,
    /// As the query calls it.
    pub label: Option<CString>,
    pub of: ValueType,
}

/// The visible columns of a target list; `None` when there are none, or one is of a type that has no text form of its own.
pub fn columns_of(targets: ListRef<'_, TargetEntry>) -> Option<Vec<Column>> {
    let mut columns = Vec::new();
    for entry in targets.iter().filter(|entry| !entry.resjunk) {
        let of = entry.expression()?.value_type();
        if is_pseudo_type(of.oid) {
            return None;
        }
        columns.push(Column {
            name: CString::new(format!("c{}", columns.len() + 1)).expect("no NUL"),
            label: entry.name().map(CStr::to_owned),
            of,
        });
    }
    (!columns.is_empty()).then_some(columns)
}

/// A SELECT of all columns of the rows.
pub fn select_rows<'a>(rows: StoredRows, columns: &[Column]) -> NodeMut<'a, Query> {
    let mut entry = make::<RangeTblEntry>();
    become_rows(&mut entry, rows, columns, c"source");
    let mut query = select_from(entry.into_ref());
    let targets = columns.iter().enumerate().map(|(index, column)| {
        let number = number_of(index);
        let value = var(1, number, column.of).node();
        target(value, number, column.label.as_deref()).into_ref()
    });
    query.targetList = list_of(targets).as_ptr();
    query
}

/// Lets the entry be `expanse.exchange_rows(number) AS name(columns)`, or `expanse.returned_rows(number)`.
pub fn become_rows(
    entry: &mut NodeMut<'_, RangeTblEntry>,
    rows: StoredRows,
    columns: &[Column],
    name: &CStr,
) {
    let names = || columns.iter().map(|column| column.name.as_c_str());
    let types = || columns.iter().map(|column| column.of);
    let mut function = make::<RangeTblFunction>();
    function.funcexpr = rows.call().as_ptr().cast();
    function.funccolcount = columns.len() as i32;
    function.funccolnames = list_of(names().map(string)).as_ptr();
    function.funccoltypes = oids_of(types().map(|of| of.oid)).as_ptr();
    function.funccoltypmods = ints_of(types().map(|of| of.typmod)).as_ptr();
    function.funccolcollations = oids_of(types().map(|of| of.collation)).as_ptr();
    let mut new = make::<RangeTblEntry>();
    new.rtekind = RTEKind::RTE_FUNCTION;
    new.functions = list_of([function.into_ref()]).as_ptr();
    new.inFromCl = true;
    new.alias = alias(name, []).as_ptr();
    new.eref = alias(name, names()).as_ptr();
    **entry = *new;
}
