//! How strongly a statement locks its distributed tables, where other nodes have them.

use crate::ddl::classify::named::Named;
use crate::ddl::classify::text::option_is_on;
use crate::ddl::tables::distributed_table;
use crate::metadata::cache::Metadata;
use crate::pg::names;
use crate::pg::session::transaction;
use crate::pg::tree::NodeRef;
use expanse_core::utility::lock::FOREIGN_KEY_TARGET;
use expanse_core::utility::{LockMode, Object, TableLock};
use pgrx::pg_sys::{
    AlterTableStmt, ColumnDef, Constraint, DropStmt, IndexStmt, LockStmt, Oid, ReindexStmt,
};

/// The lock that the statement names, or its commands need.
pub fn own(node: NodeRef<'_>) -> Option<LockMode> {
    if let Some(stmt) = node.cast::<AlterTableStmt>() {
        return LockMode::from_number(stmt.lock_mode());
    }
    let stmt = node.cast::<LockStmt>()?;
    // The first statement on another node would fix what a transaction with one snapshot sees there.
    let waits = !stmt.nowait && !transaction::has_one_snapshot();
    waits.then(|| LockMode::from_number(stmt.mode)).flatten()
}

/// Is it a statement with CONCURRENTLY?
pub fn is_concurrent(node: NodeRef<'_>) -> bool {
    if let Some(stmt) = node.cast::<IndexStmt>() {
        return stmt.concurrent;
    }
    if let Some(stmt) = node.cast::<DropStmt>() {
        return stmt.concurrent;
    }
    node.cast::<ReindexStmt>()
        .is_some_and(|stmt| option_is_on(stmt.options(), "concurrently"))
}

/// What is to be locked on all nodes before the statement runs: nothing, where no other node is concerned.
pub fn of(
    node: NodeRef<'_>,
    object: Object,
    named: &Named,
    lock: Option<TableLock>,
    metadata: &Metadata,
) -> Vec<(Oid, TableLock)> {
    if named.distributed.is_empty() || metadata.active_nodes().len() < 2 {
        return Vec::new();
    }
    let tables = named.distributed.iter();
    let own = tables.filter_map(|&table| Some((table, lock?)));
    let mut locks: Vec<_> = own.collect();
    if object != Object::Type {
        let targets = foreign_key_targets(node, metadata).into_iter();
        locks.extend(targets.map(|table| (table, FOREIGN_KEY_TARGET)));
    }
    locks
}

/// The distributed tables that new foreign keys point to.
fn foreign_key_targets(node: NodeRef<'_>, metadata: &Metadata) -> Vec<Oid> {
    let Some(stmt) = node.cast::<AlterTableStmt>() else {
        return Vec::new();
    };
    let definitions = stmt.commands().iter().filter_map(|cmd| cmd.definition());
    let constraints = definitions.flat_map(|definition| {
        let of_column = definition.cast::<ColumnDef>().map(|column| {
            let constraints = column.constraints();
            constraints.iter().collect::<Vec<_>>()
        });
        of_column.unwrap_or_else(|| definition.cast::<Constraint>().into_iter().collect())
    });
    constraints
        .filter_map(|constraint| names::relation(constraint.referenced()?))
        .filter_map(|table| distributed_table(metadata, table))
        .collect()
}
