//! Utility statements: schema changes on all nodes, COPY, and what is refused.
//!
//! # How it works
//! [`before`] finds out which distributed tables (by hash, or replicated) a statement is about and what has to be done
//! ([`classify`], by the rules of [`expanse_core::utility`]), refuses what they cannot have ([`refuse`]) and takes the locks
//! that keep schema changes apart from each other and from rebinds ([`locks`]). PostgreSQL then runs the statement here.
//! [`after`] checks what only the finished statement shows ([`rules`]) and sends it to the other nodes ([`send`]), in the same
//! transaction.
//!
//! # Invariants
//! A statement about a distributed table runs on all nodes or is refused. What only this node's catalog has to know (a
//! dropped table, a renamed distribution column) every node does for itself ([`forget`], [`rename`]),
//! also in internal sessions.
//!
//! Objects that every node has (roles, schemas, types, functions, extensions, views over such things) follow on all nodes
//! ([`classify::everywhere`]), whether or not a distributed table is concerned.
//!
//! # What is not guaranteed
//! Local tables, their views and materialized views, sequences, foreign servers, publications and event triggers belong to the
//! node that is asked.

pub mod alter;
pub mod classify;
pub mod concurrently;
pub mod fills;
pub mod forget;
pub mod locks;
pub mod refuse;
pub mod rename;
pub mod rules;
pub mod send;
pub mod source;
pub mod tables;
pub mod tablespace;
pub mod unbuilt;

use crate::catalog::everywhere::{cluster, on_all_nodes};
use crate::ddl::classify::DdlJob;
use crate::ddl::source::Source;
use crate::metadata::cache::{metadata, no_tables};
use crate::metadata::node_session::is_internal;
use crate::objects::key_trigger;
use crate::pg::names;
use crate::pg::session::{runs_extension_script, transaction};
use crate::pg::utility::Utility;
use expanse_core::utility::Action;
use pgrx::pg_sys::{Oid, ProcessUtilityContext};

/// Decides, before PostgreSQL runs the statement.
pub fn before(source: Source<'_>, context: ProcessUtilityContext::Type) -> Utility {
    // Without other nodes and distributed tables this is a PostgreSQL like any other.
    if no_tables() && metadata().is_none_or(|known| known.active_nodes().len() < 2) {
        return Utility::PassThrough;
    }
    if context == ProcessUtilityContext::PROCESS_UTILITY_SUBCOMMAND || runs_extension_script() {
        return Utility::PassThrough;
    }
    if let Some(utility) = crate::copy::before(source.statement) {
        return utility;
    }
    let top_level = context == ProcessUtilityContext::PROCESS_UTILITY_TOPLEVEL;
    let job = if is_internal() {
        classify::own(source)
    } else {
        classify::classify(source, &cluster())
            .and_then(|job| locks::under_locks(source, job, top_level))
    };
    let Some(job) = job else {
        return Utility::PassThrough;
    };
    let mut statement = source.statement;
    if job.concurrently {
        match (job.index, job.tables.first()) {
            (Some(index), Some(&table)) => concurrently::creating(table, index.newest),
            _ => statement = source.not_concurrently(),
        }
    }
    forget::begin(job);
    Utility::Around {
        pstmt: statement.as_ptr(),
    }
}

/// Completes what [`before`] announced, once PostgreSQL has run the statement here.
pub fn after() {
    let (job, notes) = forget::end();
    match (job.action, job.tables.first()) {
        _ if job.creates_concurrently() => return concurrently::build_created(),
        (Action::RebuildIndexes, Some(&table)) => return concurrently::rebuild(table, &job.sql),
        _ => {}
    }
    transaction::command_done();
    locks::refuse_distributed_since(&job);
    rename::follow(&job);
    rules::check(&job);
    send::send(&job, &notes);
    if job.triggers {
        watch_keys(&job);
    }
}

/// A new trigger may change the distribution column; one that has been dropped cannot any longer.
fn watch_keys(job: &DdlJob) {
    let changes = |table: Oid| key_trigger::changes(table, &names::qualified(table)?);
    for sql in job.tables.iter().filter_map(|&table| changes(table)) {
        on_all_nodes(&cluster(), &sql);
    }
}
