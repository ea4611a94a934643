//! A utility statement as PostgreSQL hands it over.

use crate::pg::tree::{copy, NodeMut, NodeRef};
use pgrx::pg_sys::{DropStmt, PlannedStmt};
use std::ffi::CStr;

/// A statement, and the string that it is a part of.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub statement: NodeRef<'a, PlannedStmt>,
    pub query: &'a CStr,
}

impl<'a> Source<'a> {
    pub fn node(self) -> Option<NodeRef<'a>> {
        self.statement.utility_statement()
    }

    /// The statement's own part of the string.
    pub fn text(self) -> String {
        let whole = self.query.to_string_lossy();
        let start = usize::try_from(self.statement.stmt_location).unwrap_or(0);
        let end = match usize::try_from(self.statement.stmt_len) {
            Ok(length) if length > 0 => start + length,
            _ => whole.len(),
        };
        whole
            .get(start..end)
            .unwrap_or(&whole)
            .trim()
            .trim_end_matches(';')
            .to_owned()
    }

    /// A copy of a DROP INDEX CONCURRENTLY without that word; any other statement as it is.
    pub fn not_concurrently(self) -> NodeRef<'a, PlannedStmt> {
        let Some(drop) = self.node().and_then(|node| node.cast::<DropStmt>()) else {
            return self.statement;
        };
        let mut statement: NodeMut<PlannedStmt> = copy(self.statement);
        let mut plain: NodeMut<DropStmt> = copy(drop);
        plain.concurrent = false;
        statement.utilityStmt = plain.into_ref().as_ptr().cast();
        statement.into_ref()
    }
}
