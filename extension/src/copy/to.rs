//! COPY TO as a COPY of a query, which the planner distributes.

use crate::pg::names::{qualified, stored_columns};
use crate::pg::spi::identifier;
use crate::pg::tree::make::parse;
use crate::pg::tree::{copy, NodeMut, NodeRef};
use pgrx::pg_sys::{CopyStmt, Oid, PlannedStmt};
use std::ffi::CString;

/// The statement with the table replaced by the SELECT of its columns.
pub fn as_query<'a>(pstmt: NodeRef<'_, PlannedStmt>, relation: Oid) -> NodeMut<'a, PlannedStmt> {
    let mut copied = copy(pstmt);
    let copy = copied.child(|stmt| stmt.utility_statement()?.cast::<CopyStmt>());
    let mut copy = copy.expect("a COPY");
    let listed = copy.as_ref().columns().texts();
    let columns = if listed.is_empty() {
        stored_columns(relation)
    } else {
        listed.iter().map(|name| identifier(name)).collect()
    };
    let table = qualified(relation).expect("the relation is locked");
    let select = CString::new(format!("SELECT {} FROM {table}", columns.join(", ")));
    let select = parse(&select.expect("names have no NUL byte"));
    let select = select.first().and_then(|raw| raw.statement());
    copy.query = select.expect("one statement was parsed").as_ptr();
    copy.relation = std::ptr::null_mut();
    copy.attlist = std::ptr::null_mut();
    copied
}
