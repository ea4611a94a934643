//! The cluster's metadata: catalog tables, their cache in each backend, and the functions that change them.

pub mod activate;
pub mod checks;
pub mod definition;
pub mod dependencies;
pub mod distribute;
pub mod empty_group;
pub mod everywhere;
pub mod foreign_keys;
pub mod groups;
pub mod init;
pub mod join;
pub mod key_trigger;
pub mod localize;
pub mod maps;
pub mod metadata;
pub mod names;
pub mod replicate;
pub mod rows;
pub mod scan;
pub mod schema_lock;
pub mod shrink;
pub mod spi;
pub mod spread;
pub mod standing;
pub mod triggers;
pub mod validate;
pub mod views;

#[allow(unused_imports)] // the crate-wide vocabulary
pub use metadata::{
    marker, metadata, Group, GroupId, Metadata, Node, NodeId, Table, TableKind, REPLICATED_GROUP,
};
