//! Statements about tablespaces: those of the cluster's storages follow on all nodes, or are refused.

use crate::error::Error;
use crate::metadata::cache::Metadata;
use crate::metadata::storages;
use crate::pg::session;
use crate::pg::tree::{owned, NodeRef};
use crate::pg::{catalog, names};
use pgrx::pg_sys::{AlterTableMoveAllStmt, DropTableSpaceStmt, ObjectType, Oid, RenameStmt};

/// Refuses (raises) what would make a storage another one on this node than elsewhere.
pub fn check(node: NodeRef<'_>) {
    if let Some(drop) = node.cast::<DropTableSpaceStmt>() {
        refuse_storage(owned(drop.name()), "DROP TABLESPACE", |storage| {
            format!("Run SELECT cluster_drop_storage('{storage}').")
        });
    }
    let renames_tablespace =
        |rename: &NodeRef<RenameStmt>| rename.renameType == ObjectType::OBJECT_TABLESPACE;
    if let Some(rename) = node.cast::<RenameStmt>().filter(renames_tablespace) {
        refuse_storage(
            owned(rename.old_name()),
            "ALTER TABLESPACE ... RENAME",
            |_| {
                "Add a storage of the new name, and move the tables there with SELECT cluster_move_table(...)."
                    .into()
            },
        );
    }
}

fn refuse_storage(name: Option<String>, what: &'static str, hint: impl FnOnce(&str) -> String) {
    let Some(storage) = name.filter(|name| storages::exists(name)) else {
        return;
    };
    let hint = hint(&storage);
    Error::OfCluster {
        what,
        storage,
        hint,
    }
    .raise()
}

/// The distributed tables in the tablespace that ALTER TABLE ALL IN TABLESPACE empties.
pub fn tables_moved(stmt: NodeRef<'_, AlterTableMoveAllStmt>, metadata: &Metadata) -> Vec<Oid> {
    let from = owned(stmt.from()).unwrap_or_default();
    let there = |oid: Oid| storages::of_relation(oid).unwrap_or_else(database_tablespace) == from;
    metadata
        .tables
        .values()
        .map(|table| table.relation)
        .filter(|&table| there(table))
        .collect()
}

/// The name of the database's own tablespace.
fn database_tablespace() -> String {
    storages::of_tablespace(session::database_tablespace()).unwrap_or_default()
}

/// The definition of an index with its tablespace. Refuses (raises) one that lies where only this node has a tablespace.
pub fn index_definition(index: Oid) -> String {
    if let Some(tablespace) = storages::of_relation(index) {
        if tablespace != expanse_core::storage::DEFAULT && !storages::exists(&tablespace) {
            Error::NoStorage {
                tablespace,
                index: names::bare(index),
            }
            .raise();
        }
    }
    catalog::index_definition(index).unwrap_or_default()
}
