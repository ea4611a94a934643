//! The size of the whole table, from the size of this node's fragment.

use crate::metadata::bucket::BUCKETS;
use crate::metadata::cache::{Metadata, Table};
use crate::pg::planner::Rel;
use expanse_core::fragment::cost::whole_table;
use pgrx::pg_sys::Oid;

/// Gives the planner the size of the whole table instead of this node's fragment.
pub fn relation_info(relation: Oid, rel: Rel<'_>) {
    let Some(metadata) = crate::planner::fragment::planning() else {
        return;
    };
    let Some(table) = metadata.table(relation) else {
        return;
    };
    if table.distribution_column().is_some() {
        rel.enlarge(factor(table, &metadata));
    }
}

/// All buckets for each bucket of this node.
fn factor(table: &Table, metadata: &Metadata) -> f64 {
    let Some(map) = metadata.map_of(table.group) else {
        return 1.0;
    };
    let counts = map.bucket_counts();
    let mine = counts.get(&metadata.local_node).copied();
    whole_table(BUCKETS, mine, counts.len())
}
