//! Raising what `expanse_core::statement` refuses, and what is refused later.

use crate::error::Error;
use crate::metadata::cache::{Metadata, TableKind};
use crate::pg::names::bare;
use crate::pg::tree::NodeRef;
use crate::planner::facts;
use expanse_core::statement::{self, Refusal};
use pgrx::pg_sys::{Oid, Query};

/// Refuses (raises) a write of a placed table whose text for other nodes would lack a part of it.
pub fn check(query: NodeRef<'_, Query>, metadata: &Metadata) {
    let facts = facts::collect(query, metadata);
    if let Some(refusal) = statement::check(&facts.query, &facts.placement(metadata)) {
        raise(&refusal, metadata);
    }
}

pub fn raise(refusal: &Refusal, metadata: &Metadata) -> ! {
    let (what, hint) = (refusal.reason.what(), refusal.reason.hint());
    refuse(what, Oid::from(refusal.relation), hint, metadata)
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
