//! Range table entries of joins. The deparser wants every join to name all columns of its sides.

use crate::pg::catalog;
use crate::pg::tree::{build, flat_copy, ints_of, list_of, ListRef, NodeRef, ValueType};
use crate::planner::fragment::query::empty_entry;
use pgrx::pg_sys::{JoinExpr, Node, Oid, RTEKind, RangeTblEntry, RangeTblRef, INT4OID};
use std::ffi::CString;

/// The range table that the joins get their entries in.
type Entries<'a> = Vec<NodeRef<'a, RangeTblEntry>>;

/// Columns of one side: their numbers and names.
#[derive(Default)]
struct Columns {
    numbers: Vec<i32>,
    names: Vec<CString>,
}

/// Gives every join in the items of FROM its entry.
pub fn number<'a>(from: ListRef<'a, Node>, entries: &mut Entries<'a>) -> ListRef<'a, Node> {
    list_of(from.iter().map(|item| number_item(item, entries).0))
}

/// Join trees consist of references to tables and of joins only.
fn number_item<'a>(item: NodeRef<'a>, entries: &mut Entries<'a>) -> (NodeRef<'a>, Columns) {
    let Some(join) = item.cast::<JoinExpr>() else {
        let table = item
            .cast::<RangeTblRef>()
            .and_then(|reference| entries.get(reference.rtindex as usize - 1));
        return (
            item,
            table.map_or_else(Columns::default, |table| table_columns(table.relid)),
        );
    };
    let mut join_of_ours = flat_copy(join);
    let mut side = |below: Option<NodeRef<'a>>| {
        below.map_or_else(Default::default, |below| {
            let (below, columns) = number_item(below, entries);
            (below.as_ptr(), columns)
        })
    };
    let (left, left_columns) = side(join.left());
    let (right, right_columns) = side(join.right());
    let names = [left_columns.names, right_columns.names].concat();
    let mut entry = empty_entry(RTEKind::RTE_JOIN, names.iter().map(CString::as_c_str));
    entry.jointype = join.jointype;
    entry.inFromCl = true;
    entry.joinleftcols = ints_of(left_columns.numbers).as_ptr();
    entry.joinrightcols = ints_of(right_columns.numbers).as_ptr();
    // Only the number of these matters to the deparser.
    let alias = |_| build::null(ValueType::plain(INT4OID));
    entry.joinaliasvars = list_of(names.iter().map(alias)).as_ptr();
    entries.push(entry.into_ref());
    join_of_ours.larg = left;
    join_of_ours.rarg = right;
    join_of_ours.rtindex = entries.len() as i32;
    let numbers = (1..).take(names.len()).collect();
    (join_of_ours.into_ref().node(), Columns { numbers, names })
}

fn table_columns(relation: Oid) -> Columns {
    let present = catalog::columns(relation).into_iter();
    let (numbers, names) = present
        .filter(|column| !column.dropped)
        .map(|column| (i32::from(column.number), column.name))
        .unzip();
    Columns { numbers, names }
}
