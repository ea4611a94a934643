//! Dropped tables leave the metadata, however they are dropped: by name, with their schema, with their owner.
//!
//! # How it works
//! PostgreSQL tells the object access hook of every object it drops. Every node removes its own entry there and then,
//! directly in the catalog, so nobody needs privileges on the metadata to drop a table of their own. The node
//! that coordinates the statement also notes the names, and drops the tables on the other nodes after it.

use super::refuse;
use crate::catalog::{groups, marker, metadata, names, Metadata, Table};
use crate::entry::entry;
use pgrx::pg_sys::{self, ObjectAccessType, Oid};
use pgrx::FromDatum;
use std::cell::RefCell;
use std::os::raw::{c_int, c_void};

static mut PREVIOUS: pg_sys::object_access_hook_type = None;

thread_local! {
    /// Qualified names of the tables that the running statement has dropped.
    static DROPPED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// Spread tables that have lost a column, a constraint or a default.
    static LESSENED: RefCell<Vec<Oid>> = const { RefCell::new(Vec::new()) };
    /// Functions that it has made or replaced.
    static FUNCTIONS: RefCell<Vec<Oid>> = const { RefCell::new(Vec::new()) };
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
    if access == ObjectAccessType::OAT_DROP {
        entry(|| dropped(class, object, sub_object));
    } else if access == ObjectAccessType::OAT_POST_CREATE && class == pg_sys::ProcedureRelationId {
        entry(|| FUNCTIONS.with_borrow_mut(|made| made.push(object)));
    }
}

/// A statement about spread tables begins.
pub fn begin() {
    DROPPED.take();
    LESSENED.take();
    FUNCTIONS.take();
}

/// The functions that the statement has made or replaced.
pub fn take_functions() -> Vec<Oid> {
    FUNCTIONS.take()
}

/// The tables that the statement has dropped.
pub fn take_dropped() -> Vec<String> {
    DROPPED.take()
}

/// Refuses (raises) a statement that has taken a part of a spread table with it, and would do so on this node alone.
pub fn check_lessened(metadata: &Metadata) {
    let kept = LESSENED
        .take()
        .into_iter()
        .find(|&table| metadata.table(table).is_some());
    if let Some(table) = kept {
        refuse::raise(
            metadata,
            table,
            "dropping a part of it by CASCADE",
            "Run ALTER TABLE ... DROP COLUMN or DROP CONSTRAINT first.",
        );
    }
}

fn dropped(class: Oid, object: Oid, sub_object: i32) {
    let Some(metadata) = metadata() else { return };
    if class == pg_sys::RelationRelationId && sub_object == 0 {
        if let Some(table) = metadata.table(object) {
            dropped_table(&metadata, table);
        }
    } else if let Some(table) = part_of(class, object).filter(|&oid| metadata.table(oid).is_some())
    {
        if !crate::state::internal_session() {
            LESSENED.with_borrow_mut(|lessened| lessened.push(table));
        }
    }
}

/// `pg_constraint`, and its column `conrelid`.
const CONSTRAINTS: u32 = 2606;
const CONRELID: i16 = 8;

/// The relation that a column or a constraint belongs to.
fn part_of(class: Oid, object: Oid) -> Option<Oid> {
    if class == pg_sys::RelationRelationId {
        return Some(object);
    }
    if class.to_u32() != CONSTRAINTS {
        return None;
    }
    // SAFETY: the tuple is held during the access and released after it.
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::CONSTROID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, pg_sys::Datum::from(object));
        if tuple.is_null() {
            return None;
        }
        let mut null = false;
        let relation = pg_sys::SysCacheGetAttr(cache, tuple, CONRELID, &mut null);
        pg_sys::ReleaseSysCache(tuple);
        Oid::from_datum(relation, null)
    }
}

fn dropped_table(metadata: &Metadata, table: &Table) {
    if !crate::state::internal_session() {
        groups::refuse_if_locked();
        groups::refuse_in_motion(metadata, table.group);
        if let Some(name) = names::qualified(table.relation) {
            DROPPED.with_borrow_mut(|dropped| dropped.push(name));
        }
    }
    remove_entry(table.relation);
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
