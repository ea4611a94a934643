//! `cluster_init`: this server becomes the first node of a new cluster.

use crate::error::Error;
use crate::metadata::cache::metadata;
use crate::pg::spi;
use expanse_core::hash_map::{HashMap, NodeWeight};

/// Node id and hash map version that a cluster begins with.
const FIRST: i32 = 1;

crate::sql_function! {
    /// `cluster_init(node_name text, host text, port int)`.
    fn cluster_init(args) {
        let name = args.required::<String>(0, "node_name");
        let host = args.required::<String>(1, "host");
        let port = args.required::<i32>(2, "port");
        check_address(&name, &host, port);
        spi::execute("LOCK TABLE expanse.cluster IN EXCLUSIVE MODE");
        refuse_second(&name);
        check_settings(&host, port);
        write(&name, &host, port);
        Some(())
    }
}

/// Node names are part of paths in the coordination store and of names of slots: letters, digits, `_`, `-` and `.`.
pub fn check_address(name: &str, host: &str, port: i32) {
    let bad = |parameter, reason: &str| {
        Error::InvalidParameter {
            parameter,
            reason: reason.into(),
        }
        .raise();
    };
    let good_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if name.is_empty() || name.len() > 40 || !name.bytes().all(good_byte) || name.starts_with('.') {
        bad(
            "node_name",
            "a node's name has 1 to 40 letters, digits, underscores, hyphens or dots and does not begin with a dot",
        );
    }
    let good_host =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':' | b'%');
    if host.is_empty() || host.len() > 255 || !host.bytes().all(good_host) {
        bad("host", "it is not a host name or an address");
    }
    if !(1..=65535).contains(&port) {
        bad("port", "it is not between 1 and 65535");
    }
}

fn refuse_second(_name: &str) {
    if let Some(metadata) = metadata() {
        let node = metadata
            .nodes
            .get(&metadata.local_node)
            .map_or_else(String::new, |node| node.name.clone());
        Error::AlreadyInitialized { node }.raise();
    }
}

/// What a server needs to be a node: as query, whether it holds, and what to say otherwise.
pub const SETTINGS: [(&str, &str, &str); 4] = [
    (
        "SELECT current_setting('wal_level') = 'logical'",
        "wal_level is not logical",
        "Set wal_level = logical in postgresql.conf and restart the server.",
    ),
    (
        "SELECT current_setting('max_prepared_transactions')::int > 0",
        "max_prepared_transactions is 0",
        "Set max_prepared_transactions to at least max_connections in postgresql.conf and restart the server.",
    ),
    (
        "SELECT current_setting('max_replication_slots')::int > 0",
        "max_replication_slots is 0",
        "Set max_replication_slots to at least 10 in postgresql.conf and restart the server.",
    ),
    (
        "SELECT current_setting('max_logical_replication_workers')::int > 0",
        "max_logical_replication_workers is 0",
        "Set max_logical_replication_workers to at least 4 in postgresql.conf and restart the server.",
    ),
];

fn check_settings(host: &str, port: i32) {
    for (holds, reason, hint) in SETTINGS {
        if !spi::holds(holds) {
            Error::BadSetting {
                host: host.into(),
                port,
                reason: reason.into(),
                hint: hint.into(),
            }
            .raise();
        }
    }
}

fn write(name: &str, host: &str, port: i32) {
    let node = NodeWeight {
        node: FIRST,
        weight: 1,
    };
    let map = HashMap::initial(FIRST, &[node]).expect("one node with weight 1 makes a map");
    spi::execute("INSERT INTO expanse.cluster (cluster_id) VALUES (gen_random_uuid())");
    spi::execute(&format!(
        "INSERT INTO expanse.node (node_id, node_name, host, port, weight, state) \
         VALUES ({FIRST}, {}, {}, {port}, 1, 'active')",
        spi::literal(name),
        spi::literal(host),
    ));
    spi::execute(&format!(
        "INSERT INTO expanse.local_node (node_id) VALUES ({FIRST})"
    ));
    spi::execute(&crate::catalog::maps::insert_sql(&map));
    spi::execute(&crate::catalog::maps::make_current_sql(FIRST));
    spi::execute("INSERT INTO expanse.colocation_group (group_id) VALUES (0)");
}
