//! COPY of distributed and replicated tables.
//!
//! # How it works
//! COPY FROM: PostgreSQL reads and splits the input (one COPY state, never asked for tuples if it can give raw fields);
//! the key's field decides the owner; lines for other nodes are sent there by COPY, those for this node feed a
//! second, ordinary COPY into the local fragment through its data callback, so that constraints, triggers and
//! batching are PostgreSQL's own. COPY TO becomes a COPY of the equivalent SELECT.
//!
//! # What is not guaranteed
//! Defaults of columns that the input lacks are computed by the node that stores the row. A line number in the context of a
//! constraint violation counts the lines of the node that reports it.

pub mod condition;
pub mod job;
pub mod privileges;
pub mod run;
pub mod to;

pub use self::run::run;

use crate::catalog::groups::lock_for_writing;
use crate::metadata::cache::{metadata, TableKind};
use crate::metadata::node_session;
use crate::pg::names::lock_relation;
use crate::pg::tree::NodeRef;
use crate::pg::utility::Utility;
use pgrx::pg_sys::{self, CopyStmt, PlannedStmt};

/// Decides about a utility statement: `None` when it is no COPY of a distributed or replicated table.
pub fn before(pstmt: NodeRef<'_, PlannedStmt>) -> Option<Utility> {
    let copy = pstmt.utility_statement()?.cast::<CopyStmt>()?;
    if node_session::is_internal() {
        return None;
    }
    let lock = if copy.is_from {
        pg_sys::RowExclusiveLock
    } else {
        pg_sys::AccessShareLock
    };
    let relation = lock_relation(copy.relation()?, lock)?;
    let metadata = metadata()?;
    let table = metadata.table(relation)?;
    if !copy.is_from {
        let distributed = matches!(table.kind, TableKind::Distributed { .. });
        let instead = || Utility::Instead(to::as_query(pstmt, relation).as_ptr());
        return distributed.then(instead);
    }
    privileges::check_source(copy);
    lock_for_writing(&metadata, table.group);
    Some(Utility::CopyFrom(job::Job::create(copy, relation).cast()))
}
