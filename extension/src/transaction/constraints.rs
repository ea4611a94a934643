//! SET CONSTRAINTS: on this node and on all that take part in the transaction.
//!
//! # How it works
//! Once it has run here, the other nodes of the transaction get it, with the names qualified. It is kept until the transaction
//! ends, so that a node which joins later gets it with its BEGIN ([`at`]); as in PostgreSQL, the rollback of the
//! subtransaction that it was said in undoes it.
//!
//! Constraints of tables that only this node has are left out.

use crate::metadata::cache::no_tables;
use crate::metadata::cache::{metadata, Metadata};
use crate::metadata::node_session::is_internal;
use crate::pg::catalog::schema_named;
use crate::pg::names;
use crate::pg::session::transaction::nest_level;
use crate::pg::spi;
use crate::pg::tree::NodeRef;
use crate::remote::command::{Access, Command};
use crate::remote::connection::Connection;
use crate::remote::participant::Scope;
use crate::remote::pool;
use crate::transaction::participant;
use pgrx::pg_sys::{ConstraintsSetStmt, Oid, PlannedStmt, RangeVar};
use std::cell::RefCell;

/// What has been said, and the nest level of the subtransaction.
struct Said {
    level: i32,
    sql: String,
}

thread_local! {
    static SAID: RefCell<Vec<Said>> = const { RefCell::new(Vec::new()) };
}

/// Is this a SET CONSTRAINTS that other nodes have to follow?
pub fn concerns(statement: NodeRef<PlannedStmt>) -> bool {
    set_constraints(statement).is_some() && !is_internal() && !no_tables()
}

fn set_constraints(statement: NodeRef<'_, PlannedStmt>) -> Option<NodeRef<'_, ConstraintsSetStmt>> {
    statement.utility_statement()?.cast()
}

/// It has run here.
pub fn follow(statement: NodeRef<PlannedStmt>) {
    let Some(stmt) = set_constraints(statement) else {
        return;
    };
    let Some(metadata) = metadata() else {
        return;
    };
    let Some(sql) = text(stmt, &metadata) else {
        return;
    };
    let level = nest_level();
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

/// The statement as other nodes understand it; `None` when it is about no distributed table.
fn text(stmt: NodeRef<ConstraintsSetStmt>, metadata: &Metadata) -> Option<String> {
    let mode = if stmt.deferred {
        "DEFERRED"
    } else {
        "IMMEDIATE"
    };
    if stmt.constraints().is_empty() {
        return Some(format!("SET CONSTRAINTS ALL {mode}"));
    }
    let names: Vec<String> = stmt
        .constraints()
        .iter()
        .filter_map(|name| of_distributed_table(name, metadata))
        .collect();
    (!names.is_empty()).then(|| format!("SET CONSTRAINTS {} {mode}", names.join(", ")))
}

/// The qualified name, when a distributed table has such a constraint. As in PostgreSQL the first schema of the search path
/// that has one of this name counts.
fn of_distributed_table(name: NodeRef<RangeVar>, metadata: &Metadata) -> Option<String> {
    let constraint = name.name()?.to_string_lossy();
    let schemas = match name.schema() {
        None => names::search_path(),
        Some(schema) => schema_named(&schema.to_string_lossy())
            .into_iter()
            .collect(),
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
