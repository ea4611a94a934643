//! The size of the whole table, from the size of this node's fragment.

use crate::metadata::cache::{Metadata, Table};
use pgrx::pg_sys::*;

/// Gives the planner the size of the whole table instead of this node's fragment.
pub fn relation_info(
    _root: *mut PlannerInfo,
    relation: Oid,
    _inhparent: bool,
    rel: *mut RelOptInfo,
) {
    let Some(metadata) = crate::planner::fragment::planning() else {
        return;
    };
    let Some(table) = metadata.table(relation) else {
        return;
    };
    if table.distribution_column().is_none() {
        return;
    }
    let factor = factor(table, &metadata);
    // SAFETY: PostgreSQL passes the relation it is about to plan.
    unsafe {
        (*rel).tuples *= factor;
        (*rel).pages = (f64::from((*rel).pages) * factor).min(f64::from(u32::MAX - 1)) as u32;
    }
}

/// All buckets for each bucket of this node.
fn factor(table: &Table, metadata: &Metadata) -> f64 {
    let Some(map) = metadata.map_of(table.group) else {
        return 1.0;
    };
    let counts = map.bucket_counts();
    match counts.get(&metadata.local_node) {
        Some(&mine) if mine > 0 => f64::from(crate::metadata::bucket::BUCKETS) / f64::from(mine),
        _ => counts.len().max(1) as f64,
    }
}
