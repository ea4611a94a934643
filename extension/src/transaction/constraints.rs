//! SET CONSTRAINTS: on this node and on all that take part in the transaction.
//!
//! # How it works
//! Once it has run here, the other nodes of the transaction get it, with the names qualified. It is kept until the transaction
//! ends, so that a node which joins later gets it with its BEGIN ([`at`]); as in PostgreSQL, the rollback of the
//! subtransaction that it was said in undoes it.
//!
//! Constraints of tables that only this node has are left out.

use crate::is_a;
use crate::metadata::cache::no_tables;
use crate::metadata::cache::{metadata, Metadata};
use crate::pg::list::nodes;
use crate::pg::spi;
use crate::remote::command::{Access, Command};
use crate::remote::connection::Connection;
use crate::remote::participant::Scope;
use crate::remote::pool;
use crate::transaction::participant;
use pgrx::pg_sys::{self, ConstraintsSetStmt, Oid, PlannedStmt, RangeVar};
use std::cell::RefCell;
use std::ffi::CStr;

/// What has been said, and the nest level of the subtransaction.
struct Said {
    level: i32,
    sql: String,
}

thread_local! {
    static SAID: RefCell<Vec<Said>> = const { RefCell::new(Vec::new()) };
}

/// Is this a SET CONSTRAINTS that other nodes have to follow?
///
/// # Safety
/// A utility statement.
pub unsafe fn concerns(pstmt: *mut PlannedStmt) -> bool {
    // SAFETY: as the caller promises.
    let said = unsafe { is_a!((*pstmt).utilityStmt, T_ConstraintsSetStmt) };
    said && !crate::metadata::peer::internal_session() && !no_tables()
}

/// It has run here.
///
/// # Safety
/// [`concerns`] has said yes.
pub unsafe fn follow(pstmt: *mut PlannedStmt) {
    let Some(metadata) = metadata() else {
        return;
    };
    // SAFETY: as the caller promises; a counter of the backend.
    let (sql, level) = unsafe {
        (
            text(&*(*pstmt).utilityStmt.cast(), &metadata),
            pg_sys::GetCurrentTransactionNestLevel(),
        )
    };
    let Some(sql) = sql else {
        return;
    };
    for connection in pool::involved() {
        let mut connection = connection.borrow_mut();
        if connection.participant.scope == Scope::Transaction {
            send(&mut connection, &sql);
        }
    }
    SAID.with_borrow_mut(|said| said.push(Said { level, sql }));
}

fn send(connection: &mut Connection, sql: &str) {
    if connection.lost {
        connection.raise_lost();
    }
    connection.settle();
    let prelude = participant::join(connection, Access::Read);
    let results = connection.send(prelude, &Command::text(sql));
    while connection.pull(&results).is_some() {}
    let failure = results.borrow_mut().failure.take();
    if let Some(failure) = failure {
        failure.raise();
    }
}

/// What a node that joins the transaction has to be told in the subtransaction at this level.
pub fn at(level: i32) -> Vec<String> {
    SAID.with_borrow(|said| {
        said.iter()
            .filter(|one| one.level == level)
            .map(|one| one.sql.clone())
            .collect()
    })
}

/// The subtransaction at `level` commits into its parent.
pub fn release(level: i32) {
    SAID.with_borrow_mut(|said| {
        for one in said.iter_mut().filter(|one| one.level == level) {
            one.level = level - 1;
        }
    });
}

/// The subtransaction at `level` (1: the transaction) has ended, and what was said in it with it.
pub fn forget(level: i32) {
    SAID.with_borrow_mut(|said| said.retain(|one| one.level < level));
}

/// The statement as other nodes understand it; `None` when it is about no spread table.
unsafe fn text(stmt: &ConstraintsSetStmt, metadata: &Metadata) -> Option<String> {
    let mode = if stmt.deferred {
        "DEFERRED"
    } else {
        "IMMEDIATE"
    };
    if stmt.constraints.is_null() {
        return Some(format!("SET CONSTRAINTS ALL {mode}"));
    }
    let names: Vec<String> = nodes::<RangeVar>(stmt.constraints)
        // SAFETY: the parser's list of names.
        .filter_map(|name| unsafe { spread(name, metadata) })
        .collect();
    (!names.is_empty()).then(|| format!("SET CONSTRAINTS {} {mode}", names.join(", ")))
}

/// The qualified name, when a spread table has such a constraint. As in PostgreSQL the first schema of the search path that
/// has one of this name counts.
unsafe fn spread(name: *mut RangeVar, metadata: &Metadata) -> Option<String> {
    // SAFETY: names of a parse tree; the search path is a list of OIDs.
    let (constraint, schemas) = unsafe {
        let constraint = CStr::from_ptr((*name).relname).to_string_lossy();
        let schemas = if (*name).schemaname.is_null() {
            search_path()
        } else {
            vec![pg_sys::get_namespace_oid((*name).schemaname, true)]
        };
        (constraint, schemas)
    };
    let path: Vec<String> = schemas.iter().map(|oid| oid.to_u32().to_string()).collect();
    let sql = format!(
        "SELECT n.nspname, c.conrelid \
         FROM unnest('{{{}}}'::oid[]) WITH ORDINALITY AS s (schema, place) \
         JOIN pg_constraint c ON c.connamespace = s.schema JOIN pg_namespace n ON n.oid = s.schema \
         WHERE c.conname = {} ORDER BY s.place",
        path.join(","),
        spi::literal(&constraint)
    );
    let found = spi::with_settings(&[(c"search_path", c"pg_catalog")], || spi::query(&sql));
    let schema = found.first()?.first()?.clone()?;
    let here = found
        .iter()
        .filter(|row| row[0].as_ref() == Some(&schema))
        .filter_map(|row| row[1].as_ref()?.parse::<u32>().ok())
        .any(|relation| metadata.table(Oid::from(relation)).is_some());
    here.then(|| {
        let (schema, constraint) = (spi::identifier(&schema), spi::identifier(&constraint));
        format!("{schema}.{constraint}")
    })
}

fn search_path() -> Vec<Oid> {
    // SAFETY: a list of OIDs in the current memory context.
    unsafe {
        let path = pg_sys::fetch_search_path(true);
        let count = path.as_ref().map_or(0, |path| path.length) as usize;
        (0..count)
            .map(|place| (*(*path).elements.add(place)).oid_value)
            .collect()
    }
}
