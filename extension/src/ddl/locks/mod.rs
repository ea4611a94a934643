//! The locks of a schema change: of the metadata, of colocation groups, and of tables on all nodes.

pub mod attempts;
pub mod begin_barrier;

use crate::catalog::everywhere::{cluster, lock_metadata, others};
use crate::catalog::groups;
use crate::ddl::classify::{self, DdlJob};
use crate::ddl::source::Source;
use crate::error::Raised;
use crate::metadata::cache::{metadata, GroupId, Metadata, REPLICATED_GROUP};
use crate::pg::compat;
use crate::pg::session::locks::lock_relation;
use crate::pg::session::transaction;
use crate::transaction::participant;
use expanse_core::lock_attempts::Patience;
use expanse_core::utility::{GroupLock, LockMode, Statement};
use pgrx::pg_sys::Oid;
use std::collections::BTreeSet;

/// How often a statement looks again at what its names mean.
const MEANINGS: u32 = 5;

/// Takes the locks of a statement and gives what it is about under them: names may have got another meaning while it waited.
/// `None`: PostgreSQL runs it, or refuses it in its own words.
pub fn under_locks(source: Source<'_>, first: DdlJob, top_level: bool) -> Option<DdlJob> {
    let alone = !transaction::is_within_another(top_level);
    if first.statement == Statement::Lock && alone {
        return None;
    }
    let mut job = first;
    for _ in 0..MEANINGS {
        if !take(&job, alone) {
            return None;
        }
        let local = job.tables.is_empty();
        if local && !job.concurrently {
            if job.dependent_only {
                wait_for_distribution(&job, LockMode::AccessShare);
            }
            return Some(job);
        }
        if local {
            wait_for_distribution(&job, LockMode::ShareUpdateExclusive);
        }
        let again = classify::classify(source, &cluster())?;
        if local {
            if again.tables.is_empty() && again.local_tables == job.local_tables {
                return None;
            }
        } else if set(&again.tables) == set(&job.tables) {
            return Some(again);
        }
        job = again;
    }
    repeat("the names of this statement get other meanings all the time".into())
}

/// Takes the locks; false when PostgreSQL is to run the statement without.
fn take(job: &DdlJob, alone: bool) -> bool {
    let creates = job.creates_concurrently();
    let may =
        !transaction::is_read_only() && job.locks.iter().all(|(table, _)| compat::owns(*table));
    let one_node = cluster().active_nodes().len() < 2;
    // An index may also be dropped by the owner of its schema, and here with CONCURRENTLY as PostgreSQL does it.
    if job.concurrently && (!alone || creates && !may || !creates && one_node) {
        return false;
    }
    if job.locks.is_empty() || !may {
        lock_groups(&cluster(), job);
    } else {
        let patience = Patience::of(alone, job.concurrently);
        attempts::take(&job.locks, patience, || lock_groups(&cluster(), job));
    }
    true
}

fn set(tables: &[Oid]) -> BTreeSet<u32> {
    tables.iter().map(|table| table.to_u32()).collect()
}

fn repeat(message: String) -> ! {
    Raised {
        sqlstate: "40001".into(),
        message,
        hint: Some("Repeat the statement.".into()),
        ..Raised::default()
    }
    .raise()
}

/// A session that distributes a local table is waited for before the statement begins. An index that is made or dropped
/// concurrently could not be undone; PostgreSQL's own statement holds on to the lock. One that is renamed is locked, and its
/// table is not.
fn wait_for_distribution(job: &DdlJob, mode: LockMode) {
    for &(table, _) in &job.local_tables {
        if compat::owns(table) {
            lock_relation(table, mode.number());
        }
    }
    refuse_distributed_since(job);
}

/// A local table may have been distributed while the statement waited for it.
pub fn refuse_distributed_since(job: &DdlJob) {
    let Some(metadata) = metadata() else { return };
    let mut tables = job.local_tables.iter();
    if let Some((_, name)) = tables.find(|(table, _)| metadata.table(*table).is_some()) {
        repeat(format!("table \"{name}\" has been distributed meanwhile"));
    }
}

/// Keeps this schema change apart from others and from rebinds; refused while an operation needs the schema as it is.
fn lock_groups(metadata: &Metadata, job: &DdlJob) {
    if job.action.is_for_all_nodes() {
        participant::refuse_schema_change();
    }
    let tables = job.tables.iter();
    let groups: BTreeSet<GroupId> = tables
        .filter_map(|&table| metadata.table(table))
        .map(|table| table.group)
        .collect();
    match job.action.group_lock(job.objects.is_some()) {
        GroupLock::None => {}
        GroupLock::ActiveNodes => {
            others(metadata);
        }
        GroupLock::Writer => as_writer(metadata, &groups),
        GroupLock::SchemaChange => as_schema_change(metadata, &groups, job),
    }
}

fn as_writer(metadata: &Metadata, groups: &BTreeSet<GroupId>) {
    others(metadata);
    // A node that joins has its copy already, and follows rows only.
    if groups.contains(&REPLICATED_GROUP) {
        lock_metadata(metadata);
        groups::refuse_if_locked();
    }
    for &group in groups {
        groups::lock_for_writing(metadata, group);
        groups::refuse_in_motion(&cluster(), group);
    }
}

fn as_schema_change(metadata: &Metadata, groups: &BTreeSet<GroupId>, job: &DdlJob) {
    if groups.is_empty() && job.objects.is_none() {
        return;
    }
    if others(metadata).is_empty() && groups.is_empty() {
        return;
    }
    let metadata = lock_metadata(metadata);
    groups::refuse_if_locked();
    for &group in groups {
        groups::lock(&metadata, group);
        groups::refuse_in_motion(&cluster(), group);
    }
}
