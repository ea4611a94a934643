//! What is known of the cluster: hash maps, tables, nodes, identity, read from the catalog and cached in each backend.

pub mod bucket;
pub mod cache;
pub mod catalog_table;
pub mod node_session;
pub mod storages;
