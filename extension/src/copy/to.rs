//! COPY TO as a COPY of a query, which the planner distributes.

use crate::copy::privileges::name_of;
use crate::error::Error;
use crate::pg::names::stored_columns;
use pgrx::pg_sys::{self, CopyStmt, Oid, PlannedStmt};
use std::ffi::{CStr, CString};

/// The statement with the table replaced by the SELECT of its columns.
pub unsafe fn as_query(pstmt: *mut PlannedStmt, relation: Oid) -> *mut PlannedStmt {
    // SAFETY: a copy of PostgreSQL's statement is changed, in the message's memory context.
    unsafe {
        let copied: *mut PlannedStmt = pg_sys::copyObjectImpl(pstmt.cast()).cast();
        let copy = (*copied).utilityStmt.cast::<CopyStmt>();
        let listed: Vec<String> = crate::pg::list::nodes::<pg_sys::String>((*copy).attlist)
            .map(|name| {
                let quoted = pg_sys::quote_identifier((*name).sval);
                CStr::from_ptr(quoted).to_string_lossy().into_owned()
            })
            .collect();
        let columns = if listed.is_empty() {
            stored_columns(relation)
        } else {
            listed
        };
        let schema = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(relation));
        let schema = CStr::from_ptr(pg_sys::quote_identifier(schema))
            .to_string_lossy()
            .into_owned();
        let table = CString::new(name_of(relation)).unwrap_or_default();
        let table = CStr::from_ptr(pg_sys::quote_identifier(table.as_ptr()))
            .to_string_lossy()
            .into_owned();
        let sql = format!("SELECT {} FROM {schema}.{table}", columns.join(", "));
        let Ok(sql) = CString::new(sql) else {
            Error::Internal("a name contains a NUL byte".into()).raise()
        };
        let parsed = pg_sys::raw_parser(
            pg_sys::pstrdup(sql.as_ptr()),
            pg_sys::RawParseMode::RAW_PARSE_DEFAULT,
        );
        let raw = (*(*parsed).elements).ptr_value.cast::<pg_sys::RawStmt>();
        (*copy).query = (*raw).stmt;
        (*copy).relation = std::ptr::null_mut();
        (*copy).attlist = std::ptr::null_mut();
        copied
    }
}
