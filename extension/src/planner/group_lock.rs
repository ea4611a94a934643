//! Locking the gates of a statement's groups, and putting them into its plan.

use crate::metadata::cache::{marker, GroupId, Metadata};
use crate::planner::tables;
use crate::planner::tables::Mentions;
use crate::snapshot::mixed;
use pgrx::pg_sys::{self, PlannedStmt, Query};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Groups of a statement; true when written.
pub type Groups = BTreeMap<GroupId, bool>;

/// The groups that the mentions belong to.
pub fn groups_of(mentions: &Mentions, metadata: &Metadata) -> Groups {
    let mut groups = Groups::new();
    for mention in mentions.all() {
        if let Some(table) = metadata.table(mention.relation) {
            *groups.entry(table.group).or_default() |= mention.written;
        }
    }
    groups
}

/// Locks the gates of all groups that the query mentions (waiting for a switch in progress), and gives what it
/// mentions and the metadata as they are under these locks: a table may have changed its group meanwhile.
pub fn lock(query: *mut Query, known: Rc<Metadata>) -> (Mentions, Groups, Rc<Metadata>) {
    let mut metadata = known;
    let mut locked = Groups::new();
    loop {
        let mentions = tables::collect(query, &metadata);
        let wanted = groups_of(&mentions, &metadata);
        let missing: Vec<(GroupId, bool)> = wanted
            .iter()
            .map(|(&group, &written)| (group, written))
            .filter(|(group, written)| locked.get(group).is_none_or(|held| held < written))
            .collect();
        if missing.is_empty() {
            return (mentions, wanted, metadata);
        }
        for (group, written) in missing {
            // SAFETY: locks an existing relation; PostgreSQL releases it at the end of the transaction.
            unsafe {
                pg_sys::LockRelationOid(metadata.group(group).lock, lock_mode(written));
            }
            *locked.entry(group).or_default() |= written;
        }
        // A lock already held absorbs no invalidations by itself.
        // SAFETY: called at the start of planning, where a catalog may change its state anyway.
        unsafe { pg_sys::AcceptInvalidationMessages() };
        let now = crate::metadata::cache::metadata().unwrap_or_else(|| metadata.clone());
        if Rc::ptr_eq(&now, &metadata) {
            return (mentions, wanted, metadata);
        }
        metadata = now;
    }
}

/// Makes a cached plan lock the gates before PostgreSQL decides whether it is still valid, and makes any change of
/// metadata invalidate it.
pub fn add_to_plan(stmt: *mut PlannedStmt, groups: &Groups, metadata: &Metadata, reads: Reads) {
    // SAFETY: the statement is complete and ours to extend; entries without required privileges are only locked.
    unsafe {
        for (&group, &written) in groups {
            let entry = pg_sys::palloc0(std::mem::size_of::<pg_sys::RangeTblEntry>())
                .cast::<pg_sys::RangeTblEntry>();
            (*entry).type_ = pg_sys::NodeTag::T_RangeTblEntry;
            (*entry).rtekind = pg_sys::RTEKind::RTE_RELATION;
            (*entry).relid = metadata.group(group).lock;
            (*entry).relkind = pg_sys::RELKIND_RELATION as std::os::raw::c_char;
            (*entry).rellockmode = lock_mode(written);
            (*entry).eref = pg_sys::makeAlias(c"gate".as_ptr(), std::ptr::null_mut());
            if reads.beside {
                mixed::mark(entry);
            }
            if reads.several {
                mixed::mark_several(entry);
            }
            (*stmt).rtable = pg_sys::lappend((*stmt).rtable, entry.cast());
        }
        if let Some(marker) = marker() {
            (*stmt).relationOids = pg_sys::lappend_oid((*stmt).relationOids, marker);
        }
    }
}

/// What a statement reads where.
#[derive(Clone, Copy)]
pub struct Reads {
    /// Several nodes.
    pub several: bool,
    /// Tables here beside fragments of several nodes.
    pub beside: bool,
}

fn lock_mode(written: bool) -> i32 {
    if written {
        pg_sys::RowExclusiveLock as i32
    } else {
        pg_sys::AccessShareLock as i32
    }
}
