//! CREATE INDEX, DROP INDEX and REINDEX CONCURRENTLY on all nodes.
//!
//! # How it works
//! An index is made in two parts. First its definition: PostgreSQL begins its own CREATE INDEX CONCURRENTLY here, and in the
//! first transaction that it commits, which leaves an index that is not built yet, the other nodes get the same ([`at_commit`]),
//! so that all have it or none has. Then every node builds its own: this one as PostgreSQL does, the others by
//! REINDEX INDEX CONCURRENTLY, all at once, outside of any transaction ([`build_created`]).
//!
//! What changes the catalog needs locks of the table that writers (CREATE) or readers, too (DROP) would queue behind. They
//! are taken in short attempts ([`crate::ddl::locks::attempts`]).
//!
//! # What is not guaranteed
//! As in PostgreSQL, an index whose build fails or is interrupted stays, and is not valid on the nodes that had not
//! finished. REINDEX INDEX CONCURRENTLY builds it, DROP INDEX removes it everywhere. A vacuum of the table is waited for, and
//! autovacuum does not make way. Two builds on one table that begin on different nodes at the same moment may end in a
//! deadlock that one of them is told of.

use crate::catalog::everywhere::{cluster, others};
use crate::ddl::classify::{DdlJob, NewIndex};
use crate::ddl::{rules, send};
use crate::error::{Error, Raised};
use crate::metadata::cache::Node;
use crate::pg::session::transaction;
use crate::pg::{names, spi};
use crate::remote::autonomous::{run_internally_at, AutonomousStatement};
use expanse_core::utility::{Action, Prerequisites, Statement};
use pgrx::pg_sys::Oid;
use std::cell::{Cell, RefCell};

/// A table, and its newest index before the statement.
type Creating = (Oid, u32);

/// What every other node has to do after this one.
struct Build {
    /// Quoted and qualified.
    table: String,
    sql: String,
    /// For the hint, when the index is new.
    index: Option<String>,
}

thread_local! {
    static CREATING: Cell<Option<Creating>> = const { Cell::new(None) };
    static BUILD: RefCell<Option<Build>> = const { RefCell::new(None) };
}

/// A transaction has failed: nothing of this is to be done any more.
pub fn forget() {
    CREATING.set(None);
    BUILD.take();
}

/// PostgreSQL is about to create an index on this table, which has none newer than that.
pub fn creating(table: Oid, newest: u32) {
    CREATING.set(Some((table, newest)));
}

/// Before the commit of the transaction in which PostgreSQL has put the new index into the catalog. May raise.
pub fn at_commit() {
    let Some((table, newest)) = CREATING.take() else {
        return;
    };
    // PostgreSQL has popped the statement's snapshot already.
    transaction::command_done();
    transaction::with_snapshot(|| send_definition(table, newest));
}

fn send_definition(table: Oid, newest: u32) {
    let mut job = DdlJob::new(Statement::Index, vec![table], Action::CreateIndex);
    job.index = Some(NewIndex {
        newest,
        if_missing: false,
    });
    job.prerequisites = Prerequisites::Everything;
    let Some((index, definition)) = send::new_index(&job.tables, newest) else {
        Error::Internal("the new index is not found".into()).raise();
    };
    rules::check(&job);
    let sql = format!(
        "SELECT expanse.add_unbuilt_index({})",
        spi::literal(&definition)
    );
    send::send_schema(&job, &sql);
    if let (Some(table), Some(index)) = (names::qualified(table), names::qualified(index)) {
        BUILD.replace(Some(Build {
            table,
            sql: format!("REINDEX INDEX CONCURRENTLY {index}"),
            index: Some(index),
        }));
    }
}

/// After this node has built: the others do, all at once.
pub fn build_created() {
    // Still there when there was one of that name (IF NOT EXISTS).
    CREATING.set(None);
    if let Some(build) = BUILD.take() {
        run(&build);
    }
}

/// The same for a REINDEX CONCURRENTLY.
pub fn rebuild(table: Oid, sql: &str) {
    if let Some(table) = names::qualified(table) {
        run(&Build {
            table,
            sql: sql.into(),
            index: None,
        });
    }
}

fn run(build: &Build) {
    let metadata = cluster();
    let nodes: Vec<&Node> = others(&metadata)
        .iter()
        .filter_map(|id| metadata.nodes.get(id))
        .collect();
    if nodes.is_empty() {
        return;
    }
    // What PostgreSQL leaves open at the end of a concurrent build is an ordinary transaction: no session has to wait for it
    // either, nor lose what was built here. The statement cannot run in a transaction block.
    transaction::commit_and_go_on();
    let started: Vec<_> = nodes
        .into_iter()
        .map(|node| {
            drop_leftovers(node, build);
            let started = AutonomousStatement::start(&node.host, node.port, &build.sql, true);
            (node, started)
        })
        .collect();
    // No session that builds elsewhere, and waits for older snapshots here, has to wait for this one.
    transaction::release_catalog_snapshot();
    let mut failed = None;
    for (node, started) in started {
        if let Err(failure) = started.and_then(AutonomousStatement::finish) {
            drop_leftovers(node, build);
            failed.get_or_insert((node, failure));
        }
    }
    if let Some((node, failure)) = failed {
        raise(node, failure, build);
    }
}

/// The indexes that a REINDEX CONCURRENTLY of the table has left when it failed: users do not see those of another node. The
/// names are those of PostgreSQL's manual, "Rebuilding Indexes Concurrently". What fails here does no harm.
fn drop_leftovers(node: &Node, build: &Build) {
    let table = names::regclass_literal(&build.table);
    let look = format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_index i \
         JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE i.indrelid = {table} AND NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$'"
    );
    let rows = run_internally_at(&node.host, node.port, &look).unwrap_or_default();
    for index in rows.into_iter().flatten().flatten() {
        let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {index}");
        let _ = run_internally_at(&node.host, node.port, &drop);
    }
}

fn raise(node: &Node, failure: Raised, build: &Build) -> ! {
    let mut failure = failure.of_node(&node.name);
    if let Some(index) = &build.index {
        // REINDEX builds another index under this name and puts it in the place of the first.
        failure.message = failure.message.replace("_ccnew\"", "\"");
        failure.constraint = failure
            .constraint
            .map(|name| name.trim_end_matches("_ccnew").to_owned());
        failure.hint.get_or_insert_with(|| {
            format!(
                "The index is not valid there. REINDEX INDEX CONCURRENTLY {index} builds it, \
                 DROP INDEX CONCURRENTLY {index} removes it from all nodes."
            )
        });
    }
    failure.raise()
}
