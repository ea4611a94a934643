//! Nodes that do not come back: what goes with them, and how they go.

use crate::executor::Executor;
use crate::operations::maintenance;
use crate::operations::Result;
use crate::postgres::NodeAddress;

/// What `nodes` hold that no other node does, in words; rows by what the other nodes know of their share.
///
/// # Errors
/// Those of the local server.
pub async fn loss(executor: &Executor, local: &NodeAddress, nodes: &[String]) -> Result<String> {
    const SQL: &str = "SELECT t.relation::regclass::text, b.lost::int8, \
        round(f.rows * b.lost / nullif(b.kept, 0))::int8 \
        FROM expanse.distributed_table t JOIN expanse.colocation_group g USING (group_id), \
        LATERAL (SELECT coalesce(sum(r.last_bucket - r.first_bucket + 1) FILTER (WHERE n.node_name = ANY ($1::text[])), 0) AS lost, \
                        coalesce(sum(r.last_bucket - r.first_bucket + 1) FILTER (WHERE n.node_name <> ALL ($1::text[])), 0) AS kept \
                 FROM expanse.hash_map_range r JOIN expanse.node n USING (node_id) \
                 WHERE r.hash_map_version = g.hash_map_version) AS b, \
        LATERAL (SELECT sum(row_estimate) AS rows FROM cluster_fragments c \
                 WHERE c.relation = t.relation AND c.node_name <> ALL ($1::text[])) AS f \
        WHERE b.lost > 0 ORDER BY 1";
    let command = maintenance("look for what would be lost").in_cluster();
    let rows = executor.query(local, command, SQL, &[&nodes]).await?;
    let tables: Vec<String> = rows
        .iter()
        .map(|row| {
            let (relation, buckets): (String, i64) = (row.get(0), row.get(1));
            let rows = match row.get::<_, Option<i64>>(2) {
                Some(rows) => format!("about {rows} rows"),
                None => "rows of unknown number".into(),
            };
            format!("{buckets} buckets of table {relation} with {rows}")
        })
        .collect();
    Ok(if tables.is_empty() {
        "no rows of distributed tables".into()
    } else {
        tables.join("; ")
    })
}
