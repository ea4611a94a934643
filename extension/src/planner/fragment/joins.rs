//! Range table entries of joins. The deparser wants every join to name all columns of its sides.

use crate::pg::nodes::{items, length};
use crate::planner::fragment::query::empty_entry;
use pgrx::pg_sys::*;
use std::os::raw::c_int;

/// Columns of one side: their numbers and names.
struct Columns {
    numbers: *mut List,
    names: *mut List,
}

/// Gives every join of the query its range table entry.
///
/// # Safety
/// The query is the caller's to change.
pub unsafe fn number(query: *mut Query) {
    // SAFETY: a valid query.
    unsafe {
        for item in items::<Node>((*(*query).jointree).fromlist) {
            visit(query, item);
        }
    }
}

unsafe fn visit(query: *mut Query, item: *mut Node) -> Columns {
    // SAFETY: join trees consist of references and joins only.
    unsafe {
        if (*item).type_ == NodeTag::T_RangeTblRef {
            let index = (*item.cast::<RangeTblRef>()).rtindex;
            return table_columns(rt_entry(query, index));
        }
        let join = item.cast::<JoinExpr>();
        let left = visit(query, (*join).larg);
        let right = visit(query, (*join).rarg);
        let entry = empty_entry(RTEKind::RTE_JOIN);
        (*entry).jointype = (*join).jointype;
        (*entry).inFromCl = true;
        (*entry).joinleftcols = left.numbers;
        (*entry).joinrightcols = right.numbers;
        (*(*entry).eref).colnames = list_concat_copy(left.names, right.names);
        let mut numbers = std::ptr::null_mut();
        for number in 1..=length((*(*entry).eref).colnames) {
            numbers = lappend_int(numbers, number as c_int);
            // Only their number matters to the deparser.
            let alias = makeNullConst(INT4OID, -1, InvalidOid);
            (*entry).joinaliasvars = lappend((*entry).joinaliasvars, alias.cast());
        }
        (*query).rtable = lappend((*query).rtable, entry.cast());
        (*join).rtindex = length((*query).rtable) as c_int;
        Columns {
            numbers,
            names: (*(*entry).eref).colnames,
        }
    }
}

unsafe fn rt_entry(query: *mut Query, index: c_int) -> *mut RangeTblEntry {
    // SAFETY: references are valid indexes of the range table.
    unsafe {
        (*(*(*query).rtable).elements.add(index as usize - 1))
            .ptr_value
            .cast()
    }
}

unsafe fn table_columns(entry: *mut RangeTblEntry) -> Columns {
    let mut columns = Columns {
        numbers: std::ptr::null_mut(),
        names: std::ptr::null_mut(),
    };
    // SAFETY: the planner holds a lock on the table.
    unsafe {
        let relation = table_open((*entry).relid, NoLock as c_int);
        for index in 0..(*(*relation).rd_att).natts as usize {
            let attribute = &*(*(*relation).rd_att).attrs.as_ptr().add(index);
            if !attribute.attisdropped {
                let name = makeString(pstrdup(attribute.attname.data.as_ptr()));
                columns.names = lappend(columns.names, name.cast());
                columns.numbers = lappend_int(columns.numbers, c_int::from(attribute.attnum));
            }
        }
        table_close(relation, NoLock as c_int);
    }
    columns
}
