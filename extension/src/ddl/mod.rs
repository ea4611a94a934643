//! Utility statements: schema changes on all nodes, COPY, and what is refused.
//!
//! # How it works
//! [`before`] finds out which spread (distributed or replicated) tables a statement is about and what has to be done
//! ([`classify`]), refuses what can not be spread ([`refuse`]) and takes the locks that keep schema changes apart
//! from each other and from rebinds. PostgreSQL then runs the statement here. [`after`] checks what only the finished
//! statement shows ([`rules`]) and sends it to the other nodes ([`send`]), in the same transaction.
//!
//! # Invariants
//! A statement about a spread table runs on all nodes or is refused. What only this node's catalog has to know (a
//! dropped table, a renamed distribution column) every node does for itself ([`forget`], [`rename`]),
//! also in internal sessions.
//!
//! Objects that every node has (roles, schemas, types, functions, extensions, views over such things) follow on all nodes
//! ([`classify::shared`]), whether or not a spread table is concerned.
//!
//! # What is not guaranteed
//! Plain tables, their views and materialized views, sequences, foreign servers, publications and event triggers belong to the
//! node that is asked.

pub mod alter;
pub mod attempts;
pub mod begin_barrier;
pub mod classify;
pub mod concurrently;
pub mod fills;
pub mod forget;
pub mod names;
pub mod refuse;
pub mod rename;
pub mod rules;
pub mod send;
pub mod tablespace;
pub mod unbuilt;

use crate::pg::parse_tree;

use crate::catalog::everywhere::{cluster, lock_metadata, on_all_nodes, others};
use crate::catalog::groups;
use crate::ddl::attempts::Patience;
use crate::ddl::classify::{Action, Concern};
use crate::error::Raised;
use crate::metadata::cache::{metadata, Metadata};
use crate::metadata::cache::{no_tables, REPLICATED_GROUP};
use crate::objects::key_trigger;
use crate::pg::compat;
use crate::pg::tree::NodeRef;
use crate::pg::utility::Utility;
use crate::transaction::participant;
use pgrx::pg_sys::*;
use std::collections::BTreeSet;
use std::ffi::c_void;
use std::os::raw::c_char;

/// How often a statement looks again at what its names mean.
const MEANINGS: u32 = 5;

/// Decides, before PostgreSQL runs the statement.
pub fn before(
    pstmt: *mut PlannedStmt,
    query_string: *const c_char,
    context: ProcessUtilityContext::Type,
    params: ParamListInfo,
    dest: *mut DestReceiver,
    qc: *mut QueryCompletion,
) -> Utility {
    let _ = (params, dest, qc);
    // Without other nodes and spread tables this is a PostgreSQL like any other.
    if no_tables() && metadata().is_none_or(|known| known.active_nodes().len() < 2) {
        return Utility::PassThrough;
    }
    // SAFETY: plain flags of the backend.
    let extension_script = unsafe { creating_extension };
    if context == ProcessUtilityContext::PROCESS_UTILITY_SUBCOMMAND || extension_script {
        return Utility::PassThrough;
    }
    // SAFETY: the statement that PostgreSQL's hook was given.
    let statement = unsafe { NodeRef::present(pstmt) };
    if let Some(utility) = crate::copy::before(statement) {
        return utility;
    }
    let metadata = cluster();
    let concern = if crate::metadata::peer::internal_session() {
        classify::own(pstmt, &metadata)
    } else {
        classify::classify(pstmt, query_string, &metadata)
    };
    let Some(concern) = concern else {
        return Utility::PassThrough;
    };
    let concern = if matches!(concern.action, Action::Own) {
        lock(&metadata, &concern);
        Some(concern)
    } else {
        // SAFETY: reads the state of the transaction.
        let alone = !unsafe {
            IsInTransactionBlock(context == ProcessUtilityContext::PROCESS_UTILITY_TOPLEVEL)
        };
        under_locks(pstmt, query_string, concern, alone)
    };
    let Some(concern) = concern else {
        return Utility::PassThrough;
    };
    let mut pstmt = pstmt;
    if concern.concurrently {
        match (&concern.action, concern.tables.as_slice()) {
            (&Action::Index { newest, .. }, &[table, ..]) => concurrently::creating(table, newest),
            // SAFETY: a DROP INDEX of the parser.
            _ => pstmt = unsafe { classify::not_concurrently(pstmt) },
        }
    }
    forget::begin();
    Utility::Around {
        pstmt,
        after: Box::into_raw(Box::new(concern)).cast(),
    }
}

/// Takes the locks of a statement and gives what it is about under them: names may have got another meaning while it waited.
/// `None`: PostgreSQL runs it, or refuses it in its own words.
fn under_locks(
    pstmt: *mut PlannedStmt,
    query_string: *const c_char,
    first: Concern,
    alone: bool,
) -> Option<Concern> {
    // SAFETY: a utility statement of PostgreSQL's.
    let locks = parse_tree::tag(unsafe { (*pstmt).utilityStmt }) == NodeTag::T_LockStmt;
    if locks && alone {
        return None;
    }
    let mut concern = first;
    for _ in 0..MEANINGS {
        let creates = concern.creates_concurrently();
        // SAFETY: a plain variable of the transaction.
        let may = !unsafe { XactReadOnly } && concern.wanted.iter().all(|w| compat::owns(w.table));
        let one_node = cluster().active_nodes().len() < 2;
        // An index may also be dropped by the owner of its schema, and here with CONCURRENTLY as PostgreSQL does it.
        if concern.concurrently && (!alone || creates && !may || !creates && one_node) {
            return None;
        }
        if concern.wanted.is_empty() || !may {
            lock(&cluster(), &concern);
        } else {
            let patience = match (alone, concern.concurrently) {
                (true, true) => Patience::Endless,
                (true, false) => Patience::Alone,
                (false, _) => Patience::Within,
            };
            attempts::take(&concern.wanted, patience, || lock(&cluster(), &concern));
        }
        if concern.tables.is_empty() && !concern.concurrently {
            if concern.beside {
                wait_for_spread(&concern, AccessShareLock);
            }
            return Some(concern);
        }
        let plain = concern.tables.is_empty();
        if plain {
            wait_for_spread(&concern, ShareUpdateExclusiveLock);
        }
        let again = classify::classify(pstmt, query_string, &cluster())?;
        if plain {
            if again.tables.is_empty() && again.plain == concern.plain {
                return None;
            }
            concern = again;
            continue;
        }
        let set = |tables: &[Oid]| tables.iter().map(|t| t.to_u32()).collect::<BTreeSet<_>>();
        if set(&again.tables) == set(&concern.tables) {
            return Some(again);
        }
        concern = again;
    }
    Raised {
        sqlstate: "40001".into(),
        message: "the names of this statement get other meanings all the time".into(),
        hint: Some("Repeat the statement.".into()),
        ..Raised::default()
    }
    .raise()
}

/// Whoever spreads a table of this node alone is waited for before the statement begins. An index that is made or dropped
/// concurrently could not be undone; PostgreSQL's own statement holds on to the lock. One that is renamed is locked, and its
/// table is not.
fn wait_for_spread(concern: &Concern, mode: u32) {
    for &(table, _) in &concern.plain {
        if compat::owns(table) {
            // SAFETY: locks a relation until the transaction ends; if it is gone, the statement itself says so.
            unsafe { LockRelationOid(table, mode as i32) };
        }
    }
    refuse_spread_since(concern);
}

/// A table of this node alone may have been spread while the statement waited for it.
fn refuse_spread_since(concern: &Concern) {
    let Some(metadata) = metadata() else { return };
    let spread = concern
        .plain
        .iter()
        .find(|&&(oid, _)| metadata.table(oid).is_some());
    if let Some((_, name)) = spread {
        Raised {
            sqlstate: "40001".into(),
            message: format!("table \"{name}\" has been spread meanwhile"),
            hint: Some("Repeat the statement.".into()),
            ..Raised::default()
        }
        .raise();
    }
}

/// Keeps this schema change apart from others and from rebinds; refused while an operation needs the schema as it is.
fn lock(metadata: &Metadata, concern: &Concern) {
    if !matches!(concern.action, Action::Own | Action::Check | Action::Plain) {
        participant::refuse_schema_change();
    }
    let groups: BTreeSet<_> = concern
        .tables
        .iter()
        .filter_map(|&table| metadata.table(table))
        .map(|table| table.group)
        .collect();
    match concern.action {
        Action::Own | Action::Check | Action::Plain if concern.shared.is_none() => {}
        // Sizes and order on disk: nothing that a rebind could trip over.
        Action::Vacuum(_) | Action::Rebuild(_) | Action::Maintain(_) => {
            others(metadata);
        }
        Action::Truncate(_) => {
            others(metadata);
            // A node that joins has its copy already, and follows rows only.
            if groups.contains(&REPLICATED_GROUP) {
                lock_metadata(metadata);
                groups::refuse_if_locked();
            }
            for group in groups {
                groups::lock_gate_for_writing(metadata, group);
                groups::refuse_in_motion(&cluster(), group);
            }
        }
        _ => {
            if groups.is_empty() && concern.shared.is_none() {
                return;
            }
            if others(metadata).is_empty() && groups.is_empty() {
                return;
            }
            let metadata = lock_metadata(metadata);
            groups::refuse_if_locked();
            for group in groups {
                groups::lock_gate(&metadata, group);
                groups::refuse_in_motion(&cluster(), group);
            }
        }
    }
}

/// Completes what [`before`] announced, once PostgreSQL has run the statement here.
pub fn after(state: *mut c_void, qc: *mut QueryCompletion) {
    let _ = qc;
    // SAFETY: made by `before` of the same call of the hook, and used once.
    let concern = unsafe { Box::from_raw(state.cast::<Concern>()) };
    let notes = forget::end();
    match (&concern.action, concern.tables.as_slice()) {
        _ if concern.creates_concurrently() => return concurrently::build_created(),
        (Action::Rebuild(sql), &[table, ..]) => return concurrently::rebuild(table, sql),
        _ => {}
    }
    // SAFETY: makes what the statement did visible.
    unsafe { CommandCounterIncrement() };
    refuse_spread_since(&concern);
    rename::follow(&concern);
    rules::check(&concern);
    send::send(&concern, &notes);
    if concern.triggers {
        watch_keys(&concern.tables);
    }
}

/// A new trigger may change the distribution column, one that has been dropped can not any longer.
fn watch_keys(tables: &[Oid]) {
    for &table in tables {
        let name = crate::pg::names::qualified(table);
        if let Some(sql) = name.and_then(|name| key_trigger::changes(table, &name)) {
            on_all_nodes(&cluster(), &sql);
        }
    }
}
