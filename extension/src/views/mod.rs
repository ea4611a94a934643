//! Functions behind the cluster views; most views are plain SQL over the catalog.

pub mod disk_space;
pub mod fragments;
pub mod run_on_nodes;
