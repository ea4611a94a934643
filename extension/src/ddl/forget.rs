//! Dropped tables leave the metadata, however they are dropped: by name, with their schema, with their owner.
//!
//! # How it works
//! PostgreSQL tells the object access hook of every object it drops. Every node removes its own entry there and then,
//! directly in the catalog, so nobody needs privileges on the metadata to drop a table of their own. The node
//! that coordinates the statement also notes the names, and drops the tables on the other nodes after it.
//!
//! # Invariants
//! Each statement has notes of its own: the function of an event trigger runs statements inside another one. [`begin`]
//! opens them and [`end`] takes them; those of a statement that fails are closed with its (sub)transaction ([`close`]).

use crate::catalog::groups;
use crate::ddl::refuse;
use crate::metadata::cache::{marker, metadata, Metadata, Table};
use crate::pg::entry::{entry, guarded};
use crate::pg::names;
use crate::pg::raw;
use pgrx::pg_sys::{self, ObjectAccessType, Oid};
use pgrx::FromDatum;
use std::cell::RefCell;
use std::os::raw::{c_int, c_void};

static mut PREVIOUS: pg_sys::object_access_hook_type = None;

thread_local! {
    /// Those of the running statements, the innermost last.
    static NOTES: RefCell<Vec<Notes>> = const { RefCell::new(Vec::new()) };
}

/// What a statement about spread tables has done so far.
#[derive(Default)]
pub struct Notes {
    /// How deep in subtransactions it began.
    level: i32,
    /// Qualified names of the tables that it has dropped.
    pub dropped: Vec<String>,
    /// Spread tables that have lost a column, a constraint or a default.
    lessened: Vec<Oid>,
    /// Functions that it has made or replaced.
    pub functions: Vec<Oid>,
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
        entry(|| note(|notes| notes.functions.push(object)));
    }
}

/// A statement about spread tables begins.
pub fn begin() {
    // SAFETY: reads the state of the transaction.
    let level = unsafe { pg_sys::GetCurrentTransactionNestLevel() };
    let notes = Notes {
        level,
        ..Notes::default()
    };
    NOTES.with_borrow_mut(|all| all.push(notes));
}

/// It has run: what it has done.
pub fn end() -> Notes {
    NOTES.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// A (sub)transaction has failed, and the statements that began in it have.
pub fn close(level: i32) {
    NOTES.with_borrow_mut(|all| all.retain(|notes| notes.level < level));
}

fn note(what: impl FnOnce(&mut Notes)) {
    NOTES.with_borrow_mut(|all| all.last_mut().map(what));
}

impl Notes {
    /// Refuses (raises) a statement that has taken a part of a spread table with it, and would do so on this node alone.
    pub fn check_lessened(&self, metadata: &Metadata) {
        let mut lessened = self.lessened.iter();
        if let Some(&table) = lessened.find(|&&table| metadata.table(table).is_some()) {
            refuse::raise(
                metadata,
                table,
                "dropping a part of it by CASCADE",
                "Run ALTER TABLE ... DROP COLUMN, DROP CONSTRAINT or ALTER COLUMN ... DROP DEFAULT first.",
            );
        }
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
        if !crate::metadata::peer::internal_session() {
            note(|notes| notes.lessened.push(table));
        }
    }
}

/// `pg_attrdef`.
const DEFAULTS: u32 = 2604;
/// `pg_constraint`, and its column `conrelid`.
const CONSTRAINTS: u32 = 2606;
const CONRELID: i16 = 8;

/// The relation that a column, a default or a constraint belongs to.
fn part_of(class: Oid, object: Oid) -> Option<Oid> {
    if class == pg_sys::RelationRelationId {
        return Some(object);
    }
    if class.to_u32() == DEFAULTS {
        // SAFETY: a catalog lookup of a default that still exists, or InvalidOid.
        let column = unsafe { guarded(|| raw::GetAttrDefaultColumnAddress(object)) };
        return Some(column.objectId);
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
    if !crate::metadata::peer::internal_session() {
        groups::refuse_if_locked();
        groups::refuse_in_motion(metadata, table.group);
        if let Some(name) = names::qualified(table.relation) {
            note(|notes| notes.dropped.push(name));
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
