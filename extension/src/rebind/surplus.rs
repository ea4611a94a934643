//! `expanse.delete_surplus`: rows that this node holds but does not own.

use crate::catalog::bucket_condition::{condition, distribution_column};
use crate::catalog::everywhere::cluster;
use crate::pg::{names, spi};
use crate::rebind::motion::distributed_group;

crate::sql_function! {
    /// `expanse.delete_surplus(group_id int) -> bigint`: how many rows of this node were deleted because another node owns
    /// them by the current binding. Fires no triggers and checks no foreign keys: the rows live on elsewhere.
    fn delete_surplus(args) {
        let group = args.required::<i32>(0, "group_id");
        let metadata = cluster();
        distributed_group(&metadata, group);
        let map = metadata.map_of(group).expect("a distributed group has a hash map");
        let own: Vec<(u32, u32)> = map
            .ranges_of(metadata.local_node)
            .iter()
            .map(|range| (range.first, range.last))
            .collect();
        let tables = metadata.tables.values().filter(|table| table.group == group);
        let mut deleted = 0;
        for table in tables {
            let Some(name) = names::qualified(table.relation) else { continue };
            let (column, type_oid) = distribution_column(table.relation);
            let owned = condition(&column, type_oid, &own);
            deleted += spi::with_settings(
                &[(c"expanse.internal", c"on"), (c"session_replication_role", c"replica")],
                || spi::affected(&format!("DELETE FROM ONLY {name} WHERE NOT {owned}")),
            );
        }
        Some(deleted as i64)
    }
}
