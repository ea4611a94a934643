//! Distributed tables that an UPDATE or DELETE of a local table reads.
//!
//! PostgreSQL would look such a row up again by its place (`ctid`) when another transaction has just changed the row to be
//! changed. A row of a fragment has no place here. A subquery that is not merged into the statement makes PostgreSQL keep the
//! row itself.

use crate::metadata::cache::Metadata;
use crate::pg::tree::change::each_query;
use crate::pg::tree::NodeMut;
use crate::plan::subquery::table_as_subquery;
use pgrx::pg_sys::{Query, RTEKind};

/// Turns every distributed table that is read, at any depth, into a subquery of its own.
pub fn set(query: &mut NodeMut<'_, Query>, metadata: &Metadata) {
    each_query(query, &mut |query| {
        let written = query.resultRelation;
        for (index, mut entry) in (1..).zip(query.children(|query| query.range_table())) {
            let distributed = entry.rtekind == RTEKind::RTE_RELATION
                && metadata
                    .table(entry.relid)
                    .is_some_and(|table| table.distribution_column().is_some());
            if distributed && index != written {
                table_as_subquery(&mut entry);
                entry.security_barrier = true;
            }
        }
    });
}
