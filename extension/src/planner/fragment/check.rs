//! What cannot be right over fragments is refused.

use crate::error::Error;
use crate::metadata::cache::{Metadata, TableKind};
use crate::pg::names::bare;
use crate::pg::tree::NodeRef;
use crate::planner::tables::Mentions;
use pgrx::pg_sys::{Oid, Query};

/// Refuses (raises) a SELECT that would not be right over fragments, such as FOR UPDATE of several nodes.
pub fn check(query: NodeRef<'_, Query>, mentions: &Mentions, metadata: &Metadata) {
    let Some(written) = mentions.all().find(|mention| mention.written) else {
        return;
    };
    let (what, hint) = if query.hasModifyingCTE {
        (
            "INSERT, UPDATE or DELETE inside WITH",
            "Run the statement of the WITH clause by itself, in the same transaction.",
        )
    } else {
        (
            "SELECT FOR UPDATE or FOR SHARE over several nodes",
            "Name the rows by equality with the distribution column, or leave the locking clause out.",
        )
    };
    refuse(what, written.relation, hint, metadata);
}

/// Raises that `what` is not possible on a table.
pub fn refuse(what: &str, relation: Oid, hint: &str, metadata: &Metadata) -> ! {
    let kind = match metadata.table(relation).map(|table| &table.kind) {
        Some(TableKind::Replicated) => "replicated",
        _ => "distributed",
    };
    Error::Unsupported {
        what: what.into(),
        kind,
        relation: bare(relation),
        hint: hint.into(),
    }
    .raise()
}
