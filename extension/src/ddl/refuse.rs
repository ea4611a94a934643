//! Statements that can not be spread yet.

use crate::error::Error;
use crate::metadata::cache::{Metadata, TableKind};
use crate::pg::names;
use pgrx::pg_sys::Oid;

/// What kind of table it is, as messages say it.
pub fn kind(metadata: &Metadata, table: Oid) -> &'static str {
    match metadata.table(table).map(|table| &table.kind) {
        Some(TableKind::Replicated) => "replicated",
        _ => "distributed",
    }
}

/// Raises: `what` is not possible on this table.
pub fn raise(metadata: &Metadata, table: Oid, what: &str, hint: &str) -> ! {
    Error::Unsupported {
        what: what.into(),
        kind: kind(metadata, table),
        relation: names::bare(table),
        hint: hint.into(),
    }
    .raise()
}

/// Raises when the relation is a spread table.
pub fn if_spread(metadata: &Metadata, relation: Option<Oid>, what: &str, hint: &str) {
    if let Some(table) = relation.and_then(|oid| metadata.table(oid)) {
        raise(metadata, table.relation, what, hint);
    }
}
