//! Statements about tablespaces: those of the cluster's storages follow on all nodes, or are refused.

use crate::ddl::refuse;
use crate::error::Error;
use crate::metadata::cache::Metadata;
use crate::metadata::storages;
use crate::pg::parse_tree::{names, tag, text};
use pgrx::pg_sys::{self, Node, NodeTag, ObjectType, Oid};
use std::ffi::CStr;

/// Refuses (raises) what would make a storage another one on this node than elsewhere.
pub fn check(node: *mut Node, metadata: &Metadata) {
    // SAFETY: the node is read as the type that its tag names.
    unsafe {
        match tag(node) {
            NodeTag::T_DropTableSpaceStmt => {
                let stmt = &*node.cast::<pg_sys::DropTableSpaceStmt>();
                refuse_storage(stmt.tablespacename, "DROP TABLESPACE", |storage| {
                    format!("Run SELECT cluster_drop_storage('{storage}').")
                });
            }
            NodeTag::T_RenameStmt => {
                let stmt = &*node.cast::<pg_sys::RenameStmt>();
                if stmt.renameType == ObjectType::OBJECT_TABLESPACE {
                    refuse_storage(stmt.subname, "ALTER TABLESPACE ... RENAME", |_| {
                        "Add a storage of the new name, and move the tables there with SELECT cluster_move_table(...)."
                            .into()
                    });
                }
            }
            NodeTag::T_AlterTableMoveAllStmt => {
                let stmt = &*node.cast::<pg_sys::AlterTableMoveAllStmt>();
                refuse_move_all(stmt.orig_tablespacename, metadata);
            }
            _ => {}
        }
    }
}

fn refuse_storage(
    name: *const std::os::raw::c_char,
    what: &'static str,
    hint: impl FnOnce(&str) -> String,
) {
    let Some(storage) = text(name).filter(|name| storages::exists(name)) else {
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

fn refuse_move_all(from: *const std::os::raw::c_char, metadata: &Metadata) {
    let from = text(from).unwrap_or_default();
    let there = |oid: Oid| storages::of_relation(oid).unwrap_or_else(database_tablespace) == from;
    for table in metadata.tables.values() {
        if there(table.relation) {
            refuse::raise(
                metadata,
                table.relation,
                "ALL IN TABLESPACE",
                "Name the tables of this node one by one, and move spread tables with SELECT cluster_move_table(...).",
            );
        }
    }
}

/// The name of the database's own tablespace.
fn database_tablespace() -> String {
    // SAFETY: set when the session was opened.
    storages::of_tablespace(unsafe { pg_sys::MyDatabaseTableSpace }).unwrap_or_default()
}

/// Does every one of these tablespaces (String nodes) exist on all nodes?
pub fn all_storages(of: *mut pg_sys::List) -> bool {
    let named = names(of);
    !named.is_empty() && named.iter().all(|name| storages::exists(name))
}

/// Does this tablespace exist on all nodes? A String node; null in a RENAME, which no storage gets as far as here.
pub fn is_storage(object: *mut Node) -> bool {
    if object.is_null() {
        return false;
    }
    // SAFETY: the parser names a tablespace by a String node.
    text(unsafe { (*object.cast::<pg_sys::String>()).sval })
        .is_some_and(|name| storages::exists(&name))
}

/// The definition of an index with its tablespace. Refuses (raises) one that lies where only this node has a tablespace.
pub fn index_definition(index: Oid) -> String {
    if let Some(tablespace) = storages::of_relation(index) {
        if tablespace != expanse_core::storage::DEFAULT && !storages::exists(&tablespace) {
            Error::NoStorage {
                tablespace,
                index: crate::pg::names::bare(index),
            }
            .raise();
        }
    }
    // SAFETY: the index exists; gives a palloc'd string, which names the tablespace unless it is the database's own.
    unsafe { CStr::from_ptr(pg_sys::pg_get_indexdef_string(index)) }
        .to_string_lossy()
        .into_owned()
}
