//! The cluster's metadata: catalog tables, their cache in each backend, and the functions that change them.

pub mod everywhere;
pub mod init;
pub mod maps;
pub mod metadata;
pub mod names;
pub mod scan;
pub mod spi;

#[allow(unused_imports)] // the crate-wide vocabulary
pub use metadata::{marker, metadata, Group, GroupId, Metadata, Node, NodeId, Table, TableKind};
