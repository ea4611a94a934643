//! Statements that need rows of other nodes where only this node's rows can be read.

use crate::error::Error;
use crate::pg::names::bare;
use pgrx::pg_sys::Oid;

/// Refuses (raises) a statement of a function that needs rows of this relation which other nodes have.
pub fn refuse(relation: Oid) -> ! {
    Error::RemoteRows {
        relation: bare(relation),
    }
    .raise()
}
