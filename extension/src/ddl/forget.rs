//! Dropped tables leave the metadata, however they are dropped: by name, with their schema, with their owner.
//!
//! # How it works
//! PostgreSQL tells the object access hook of every object it drops. Every node removes its own entry there and then,
//! directly in the catalog, so nobody needs privileges on the metadata to drop a table of their own. The node
//! that coordinates the statement also notes the names, and drops the tables on the other nodes after it.

use super::classify::{Action, Concern};
use super::refuse;
use crate::catalog::{groups, marker, metadata, names};
use crate::entry::entry;
use pgrx::pg_sys::{self, ObjectAccessType, Oid};
use pgrx::FromDatum;
use std::cell::{Cell, RefCell};
use std::os::raw::{c_int, c_void};

static mut PREVIOUS: pg_sys::object_access_hook_type = None;

thread_local! {
    /// Qualified names of the tables that the running statement has dropped.
    static DROPPED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// Does the running statement reach the other nodes, so that columns may go?
    static SPREAD: Cell<bool> = const { Cell::new(false) };
}

/// Installs the hook; called once at load.
pub fn install() {
    // SAFETY: at load the backend is single-threaded, and this runs once; the pointer is saved before it is replaced.
    unsafe {
        PREVIOUS = pg_sys::object_access_hook;
        pg_sys::object_access_hook = Some(on_access);
    }
}

unsafe extern "C-unwind" fn on_access(
    access: ObjectAccessType::Type,
    class: Oid,
    object: Oid,
    sub_object: c_int,
    arg: *mut c_void,
) {
    // SAFETY: chained with PostgreSQL's own arguments; nothing droppable lives in this frame.
    unsafe {
        if let Some(previous) = PREVIOUS {
            previous(access, class, object, sub_object, arg);
        }
    }
    if access == ObjectAccessType::OAT_DROP && class == pg_sys::RelationRelationId {
        entry(|| dropped(object, sub_object));
    }
}

/// A statement about spread tables begins.
pub fn begin(concern: &Concern) {
    DROPPED.take();
    SPREAD.set(matches!(concern.action, Action::Schema(_)));
}

/// The tables that the statement has dropped.
pub fn take_dropped() -> Vec<String> {
    SPREAD.set(false);
    DROPPED.take()
}

fn dropped(relation: Oid, column: i32) {
    let Some(metadata) = metadata() else { return };
    let Some(table) = metadata.table(relation) else {
        return;
    };
    let internal = crate::state::internal_session();
    if column != 0 {
        if !internal && !SPREAD.get() {
            refuse::raise(
                &metadata,
                relation,
                "dropping a column by CASCADE",
                "Run ALTER TABLE ... DROP COLUMN first.",
            );
        }
        return;
    }
    if !internal {
        groups::refuse_if_locked();
        groups::refuse_in_motion(&metadata, table.group);
        if let Some(name) = names::qualified(relation) {
            DROPPED.with_borrow_mut(|dropped| dropped.push(name));
        }
    }
    remove_entry(relation);
}

/// Deletes the table's row of `expanse.distributed_table` on this node.
fn remove_entry(relation: Oid) {
    let Some(marker) = marker() else { return };
    // SAFETY: the relation is open and locked for the scan and the deletion; its first column is the table's OID.
    unsafe {
        let catalog = pg_sys::table_open(marker, pg_sys::RowExclusiveLock as i32);
        let scan = pg_sys::systable_beginscan(
            catalog,
            pg_sys::InvalidOid,
            false,
            std::ptr::null_mut(),
            0,
            std::ptr::null_mut(),
        );
        loop {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() {
                break;
            }
            let mut null = false;
            let value = pg_sys::heap_getattr(tuple, 1, (*catalog).rd_att, &mut null);
            if Oid::from_datum(value, null) == Some(relation) {
                pg_sys::CatalogTupleDelete(catalog, &mut (*tuple).t_self);
            }
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(catalog, pg_sys::RowExclusiveLock as i32);
        pg_sys::CacheInvalidateRelcacheByRelid(marker);
    }
}
