//! Storages: tablespaces that every node has under the same name.
//!
//! # How it works
//! `expanse.storage` names them, with a directory for all nodes; the tablespace on each node is made and dropped by the
//! sidecar, since that cannot be part of a transaction. [`check`] says why a node cannot have one, [`directory`] makes
//! and removes the directory as the server's own user, [`record`] writes the catalog on all nodes, [`parts`] shows what
//! lies in them everywhere.
//!
//! # Invariants
//! A spread table and its indexes lie in the database's own tablespace or in a storage, so their definition holds on
//! every node.
//!
//! # What is not guaranteed
//! While `cluster_move_table` runs, some nodes have their part of a table in the old storage, some in the new one.

pub mod check;
pub mod directory;
pub mod parts;
pub mod record;
