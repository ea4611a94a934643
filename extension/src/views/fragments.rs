//! `expanse.fragments()`: size of every node's part of every spread table.

use crate::metadata::cache::{metadata, Metadata, Node, NodeId, Table};
use crate::pg::{names, spi};
use crate::remote::autonomous::run_at;

crate::sql_function! {
    /// `expanse.fragments() -> setof (relation regclass, node_name text, row_estimate bigint, bytes bigint)`. A node that
    /// does not answer shows NULLs.
    fn fragments(args) {
        let rows = metadata().map_or_else(Vec::new, |metadata| all(&metadata));
        args.set(&rows)
    }
}

fn all(metadata: &Metadata) -> Vec<Vec<Option<String>>> {
    let nodes = metadata
        .nodes
        .values()
        .filter(|node| node.state == "active");
    nodes.flat_map(|node| of_node(metadata, node)).collect()
}

fn of_node(metadata: &Metadata, node: &Node) -> Vec<Vec<Option<String>>> {
    let tables: Vec<(&Table, String)> = metadata
        .tables
        .values()
        .filter(|table| holds(metadata, table, node.id))
        .filter_map(|table| Some((table, names::qualified(table.relation)?)))
        .collect();
    if tables.is_empty() {
        return Vec::new();
    }
    let list: Vec<String> = tables.iter().map(|(_, name)| spi::literal(name)).collect();
    let sql = SIZES.replace("$names", &list.join(", "));
    let sizes = if node.id == metadata.local_node {
        spi::query(&sql)
    } else {
        run_at(&node.host, node.port, &sql).unwrap_or_default()
    };
    let mut sizes = sizes.into_iter();
    tables
        .iter()
        .map(|(table, _)| {
            let mut size = sizes.next().unwrap_or_default().into_iter();
            vec![
                Some(table.relation.to_u32().to_string()),
                Some(node.name.clone()),
                size.next().flatten(),
                size.next().flatten(),
            ]
        })
        .collect()
}

/// Does the node have a part of the table, or will it have one when the rebind under way ends?
fn holds(metadata: &Metadata, table: &Table, node: NodeId) -> bool {
    let group = metadata.group(table.group);
    let mut versions = group.version.into_iter().chain(group.moving_to).peekable();
    versions.peek().is_none()
        || versions
            .filter_map(|version| metadata.maps.get(&version))
            .any(|map| !map.ranges_of(node).is_empty())
}

/// One row a name, in the order of the names.
const SIZES: &str = "\
SELECT CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END, pg_total_relation_size(c.oid) \
FROM unnest(ARRAY[$names]) WITH ORDINALITY AS n (name, place) \
LEFT JOIN pg_class c ON c.oid = to_regclass(n.name) ORDER BY n.place";
