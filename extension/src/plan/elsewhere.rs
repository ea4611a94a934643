//! Rows that are on other nodes, wanted where only this node's are.

use crate::error::Error;
use crate::pg::names::bare;
use pgrx::pg_sys::Oid;

/// Refuses (raises) what a function can not do where it runs.
pub fn refuse(relation: Oid) -> ! {
    Error::Elsewhere {
        relation: bare(relation),
    }
    .raise()
}
