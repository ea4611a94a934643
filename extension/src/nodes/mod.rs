//! Servers become nodes of the cluster and leave it.

pub mod activate;
pub mod init;
pub mod join;
pub mod shrink;
pub mod validate;
