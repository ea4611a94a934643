//! What a fragment scan needs to know, as it is kept in the plan.

use crate::error::Error;
use crate::metadata::cache::GroupId;
use pgrx::pg_sys::{self, CustomScan, List, Query};
use serde::{Deserialize, Serialize};
use std::ffi::{CStr, CString};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// The statement for the nodes, unless the group is in motion.
    pub sql: String,
    pub group: GroupId,
    /// Whose privileges apply; 0 for the current user.
    pub user: u32,
    /// For a base relation: the attribute of each result column; otherwise they come in the order of the scan's row.
    pub attributes: Vec<i16>,
    pub binary: bool,
}

impl Plan {
    /// As `custom_private`: this and the query itself.
    ///
    /// # Safety
    /// `query` is a valid query that lives as long as the plan.
    pub unsafe fn store(&self, query: *mut Query) -> *mut List {
        let text = serde_json::to_string(self).expect("plain data");
        let text = CString::new(text).expect("JSON has no NUL");
        // SAFETY: the string is copied; lists live in the current memory context.
        unsafe {
            let list = pg_sys::lappend(
                std::ptr::null_mut(),
                pg_sys::makeString(pg_sys::pstrdup(text.as_ptr())).cast(),
            );
            pg_sys::lappend(list, query.cast())
        }
    }

    /// Reads back what [`Plan::store`] wrote.
    ///
    /// # Safety
    /// `scan` is one of ours.
    pub unsafe fn load(scan: *mut CustomScan) -> (Plan, *mut Query) {
        // SAFETY: the list has two elements, a String and a Query.
        unsafe {
            let elements = (*(*scan).custom_private).elements;
            let text = (*(*elements).ptr_value.cast::<pg_sys::String>()).sval;
            let query = (*elements.add(1)).ptr_value.cast::<Query>();
            match serde_json::from_slice(CStr::from_ptr(text).to_bytes()) {
                Ok(plan) => (plan, query),
                Err(error) => Error::Internal(format!("fragment plan: {error}")).raise(),
            }
        }
    }
}
