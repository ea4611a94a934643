//! Distributed tables that an UPDATE or DELETE of a local table reads.
//!
//! PostgreSQL would look such a row up again by its place (`ctid`) when the row to be changed has just been changed by
//! somebody else. A row of a fragment has no place here. A subquery that is not merged into the statement makes
//! PostgreSQL keep the row itself.

use crate::metadata::cache::Metadata;
use crate::pg::nodes::items;
use crate::pg::raw;
use crate::pg::tree::NodeMut;
use crate::plan::subquery::table_as_subquery;
use pgrx::pg_sys::*;
use std::ffi::c_void;

/// Turns every distributed table that is read, at any depth, into a subquery of its own.
pub fn set(query: *mut Query, metadata: &Metadata) {
    // SAFETY: the query is the planner's to change; the context outlives the walk.
    unsafe {
        visit(
            query.cast(),
            std::ptr::from_ref(metadata).cast_mut().cast::<c_void>(),
        );
    }
}

unsafe extern "C-unwind" fn visit(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: PostgreSQL walks a valid tree; the context is the metadata.
    unsafe {
        if (*node).type_ != NodeTag::T_Query {
            return raw::expression_tree_walker(node, visit, context);
        }
        let query = node.cast::<Query>();
        raw::query_tree_walker(query, visit, context, 0);
        let metadata = &*context.cast::<Metadata>();
        for (index, entry) in items::<RangeTblEntry>((*query).rtable).enumerate() {
            let distributed = (*entry).rtekind == RTEKind::RTE_RELATION
                && metadata
                    .table((*entry).relid)
                    .is_some_and(|table| table.distribution_column().is_some());
            if distributed && index as i32 + 1 != (*query).resultRelation {
                table_as_subquery(&mut NodeMut::present(entry));
                (*entry).security_barrier = true;
            }
        }
        false
    }
}
