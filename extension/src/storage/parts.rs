//! `expanse.storage_parts()`: every node's part of every storage.

use crate::metadata::cache::{metadata, Metadata, Node};
use crate::metadata::storages;
use crate::pg::spi;
use crate::remote::autonomous::run_at;

const SIZES: &str = "SELECT * FROM expanse.storage_sizes()";

crate::sql_function! {
    /// `expanse.storage_parts() -> setof (storage_name text, node_name text, directory text, tables int, bytes bigint,
    /// free_bytes bigint)`. A node that does not answer, or lacks the tablespace, shows NULLs.
    fn storage_parts(args) {
        let rows = metadata().map_or_else(Vec::new, |metadata| all(&metadata));
        args.set(&rows)
    }
}

fn all(metadata: &Metadata) -> Vec<Vec<Option<String>>> {
    let storages = storages::all();
    if storages.is_empty() {
        return Vec::new();
    }
    let nodes = metadata
        .nodes
        .values()
        .filter(|node| node.state == "active");
    nodes
        .flat_map(|node| {
            let sizes = sizes(metadata, node);
            let row = |(storage, _): &(String, String)| {
                let found = sizes
                    .iter()
                    .find(|row| row.first() == Some(&Some(storage.clone())));
                let mut row = vec![Some(storage.clone()), Some(node.name.clone())];
                row.extend((1..5).map(|n| found.and_then(|found| found.get(n).cloned().flatten())));
                row
            };
            storages.iter().map(row).collect::<Vec<_>>()
        })
        .collect()
}

fn sizes(metadata: &Metadata, node: &Node) -> Vec<Vec<Option<String>>> {
    if node.id == metadata.local_node {
        spi::query(SIZES)
    } else {
        run_at(&node.host, node.port, SIZES).unwrap_or_default()
    }
}
