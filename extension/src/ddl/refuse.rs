//! What a distributed table cannot have.

use crate::error::Error;
use crate::metadata::cache::{Metadata, TableKind};
use crate::pg::names;
use expanse_core::utility::Refusal;
use pgrx::pg_sys::Oid;

/// What kind of table it is, as messages say it.
fn kind(metadata: &Metadata, table: Oid) -> &'static str {
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

/// Raises a refusal of the rules.
pub fn refuse(metadata: &Metadata, table: Oid, refusal: Refusal) -> ! {
    raise(metadata, table, refusal.what, refusal.hint)
}
