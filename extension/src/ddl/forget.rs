//! Dropped tables leave the metadata, however they are dropped: by name, with their schema, with their owner.
//!
//! # How it works
//! PostgreSQL tells the object access hook of every object it drops. Every node removes its own entry there and then,
//! directly in the catalog, so users need no privileges on the metadata to drop a table of their own. The node
//! that coordinates the statement also notes the names, and drops the tables on the other nodes after it.
//!
//! # Invariants
//! Each statement has notes of its own: the function of an event trigger runs statements inside another one. [`begin`]
//! opens them, with the statement's job, and [`end`] takes both; those of a statement that fails are closed with its
//! (sub)transaction ([`close`]).

use crate::catalog::groups;
use crate::ddl::classify::DdlJob;
use crate::ddl::refuse;
use crate::error::Error;
use crate::metadata::cache::{marker, metadata, Metadata, Table};
use crate::metadata::catalog_table;
use crate::metadata::node_session::is_internal;
use crate::pg::catalog;
use crate::pg::entry::entry;
use crate::pg::names;
use crate::pg::session::transaction;
use expanse_core::utility::refusal;
use pgrx::pg_sys::{self, ObjectAccessType, Oid};
use std::cell::RefCell;
use std::os::raw::{c_int, c_void};

static mut PREVIOUS: pg_sys::object_access_hook_type = None;

thread_local! {
    /// Those of the running statements, the innermost last.
    static RUNNING: RefCell<Vec<(DdlJob, Notes)>> = const { RefCell::new(Vec::new()) };
}

/// What a statement about distributed tables has done so far.
#[derive(Default)]
pub struct Notes {
    /// How deep in subtransactions it began.
    level: i32,
    /// Qualified names of the tables that it has dropped.
    pub dropped: Vec<String>,
    /// Distributed tables that have lost a column, a constraint or a default.
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

/// A statement of which the other nodes have a part begins.
pub fn begin(job: DdlJob) {
    let notes = Notes {
        level: transaction::nest_level(),
        ..Notes::default()
    };
    RUNNING.with_borrow_mut(|all| all.push((job, notes)));
}

/// It has run: what was to be done about it, and what it has done.
pub fn end() -> (DdlJob, Notes) {
    RUNNING
        .with_borrow_mut(Vec::pop)
        .unwrap_or_else(|| Error::Internal("a statement ends that has not begun".into()).raise())
}

/// A (sub)transaction has failed, and the statements that began in it have.
pub fn close(level: i32) {
    RUNNING.with_borrow_mut(|all| all.retain(|(_, notes)| notes.level < level));
}

fn note(what: impl FnOnce(&mut Notes)) {
    RUNNING.with_borrow_mut(|all| all.last_mut().map(|(_, notes)| what(notes)));
}

impl Notes {
    /// Refuses (raises) a statement that has taken a part of a distributed table with it, and would do so on this node alone.
    pub fn check_lessened(&self, metadata: &Metadata) {
        let mut lessened = self.lessened.iter();
        if let Some(&table) = lessened.find(|&&table| metadata.table(table).is_some()) {
            refuse::refuse(metadata, table, refusal::DROP_PART);
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
        if !is_internal() {
            note(|notes| notes.lessened.push(table));
        }
    }
}

/// `pg_attrdef` and `pg_constraint`.
const DEFAULTS: u32 = 2604;
const CONSTRAINTS: u32 = 2606;

/// The relation that a column, a default or a constraint belongs to.
fn part_of(class: Oid, object: Oid) -> Option<Oid> {
    match class.to_u32() {
        _ if class == pg_sys::RelationRelationId => Some(object),
        DEFAULTS => catalog::table_of_default(object),
        CONSTRAINTS => catalog::table_of_constraint(object),
        _ => None,
    }
}

fn dropped_table(metadata: &Metadata, table: &Table) {
    if !is_internal() {
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
    if let Some(marker) = marker() {
        catalog_table::write(c"distributed_table", |table| {
            table.delete_all_with(table.column("relation"), relation);
        });
        catalog::invalidate(marker);
    }
}
