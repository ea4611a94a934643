//! Taking the group locks of a statement, and putting them into its plan.

use crate::metadata::cache::{marker, GroupId, Metadata};
use crate::pg::tree::{make, NodeMut, NodeRef};
use crate::planner::facts;
use crate::planner::facts::Facts;
use crate::snapshot::mixed;
use expanse_core::statement::{QueryFacts, Reads};
use pgrx::pg_sys::{self, Oid, PlannedStmt, Query, RTEKind, RangeTblEntry};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Groups of a statement; true when written.
pub type Groups = BTreeMap<GroupId, bool>;

/// A statement under the locks of its groups.
pub struct Locked {
    pub facts: Facts,
    pub groups: Groups,
    pub metadata: Rc<Metadata>,
}

/// Locks all groups of the query's tables (waiting for a switch in progress), and gives what the query is about and the
/// metadata as they are under these locks: a table may have changed its group meanwhile.
pub fn lock(query: NodeRef<'_, Query>, known: Rc<Metadata>) -> Locked {
    let mut metadata = known;
    let mut held = Groups::new();
    loop {
        let facts = facts::collect(query, &metadata);
        let groups = groups_of(&facts.query, &metadata);
        let missing: Vec<(GroupId, bool)> = groups
            .iter()
            .map(|(&group, &written)| (group, written))
            .filter(|(group, written)| held.get(group).is_none_or(|held| held < written))
            .collect();
        if !missing.is_empty() {
            for (group, written) in missing {
                lock_group(&metadata, group, written);
                *held.entry(group).or_default() |= written;
            }
            let now = current(&metadata);
            if !Rc::ptr_eq(&now, &metadata) {
                metadata = now;
                continue;
            }
        }
        return Locked {
            facts,
            groups,
            metadata,
        };
    }
}

/// The groups of a query's tables.
fn groups_of(facts: &QueryFacts, metadata: &Metadata) -> Groups {
    let mut groups = Groups::new();
    for mention in facts.mentions() {
        if let Some(table) = metadata.table(Oid::from(mention.relation)) {
            *groups.entry(table.group).or_default() |= mention.written();
        }
    }
    groups
}

fn lock_group(metadata: &Metadata, group: GroupId, written: bool) {
    // SAFETY: locks an existing relation; PostgreSQL releases it at the end of the transaction.
    unsafe { pg_sys::LockRelationOid(metadata.group(group).lock, lock_mode(written)) };
}

/// The metadata of this moment. A lock that is already held absorbs no invalidations by itself.
fn current(metadata: &Rc<Metadata>) -> Rc<Metadata> {
    // SAFETY: called at the start of planning, where a catalog may change its state anyway.
    unsafe { pg_sys::AcceptInvalidationMessages() };
    crate::metadata::cache::metadata().unwrap_or_else(|| metadata.clone())
}

/// Makes a cached plan take the group locks before PostgreSQL decides whether it is still valid, and makes any change of
/// metadata invalidate it.
pub fn add_to_plan(
    stmt: &mut NodeMut<'_, PlannedStmt>,
    groups: &Groups,
    metadata: &Metadata,
    reads: Reads,
) {
    for (&group, &written) in groups {
        let entry = lock_entry(metadata.group(group).lock, written, reads);
        // SAFETY: the statement is complete and ours to extend; entries without required privileges are only locked.
        stmt.rtable = unsafe { pg_sys::lappend(stmt.rtable, entry.as_ptr().cast()) };
    }
    if let Some(marker) = marker() {
        // SAFETY: as above.
        stmt.relationOids = unsafe { pg_sys::lappend_oid(stmt.relationOids, marker) };
    }
}

/// An entry of the range table that stands for a group lock.
fn lock_entry(relation: Oid, written: bool, reads: Reads) -> NodeRef<'static, RangeTblEntry> {
    let mut entry = make::<RangeTblEntry>();
    entry.rtekind = RTEKind::RTE_RELATION;
    entry.relid = relation;
    entry.relkind = pg_sys::RELKIND_RELATION as std::os::raw::c_char;
    entry.rellockmode = lock_mode(written);
    entry.eref = crate::pg::tree::build::alias(c"group_lock", std::iter::empty()).as_ptr();
    if reads.mixed {
        mixed::mark(&mut entry);
    }
    if reads.several_nodes {
        mixed::mark_several(&mut entry);
    }
    entry.into_ref()
}

fn lock_mode(written: bool) -> i32 {
    if written {
        pg_sys::RowExclusiveLock as i32
    } else {
        pg_sys::AccessShareLock as i32
    }
}
