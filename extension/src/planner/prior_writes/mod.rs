//! Writes that run before the statement they are part of: INSERT, UPDATE and DELETE inside WITH, and the DELETE half of an
//! UPDATE that changes the distribution column.
//!
//! # How it works
//! Such a write becomes a [`Source`](crate::planner::exchange::Source): a statement of its own that this session runs first,
//! over whatever nodes it concerns; the rows it returns stand in the rest of the statement as `expanse.returned_rows(n)`. A
//! custom scan on top of the plan runs it at the first row ([`crate::scan::first_scan`]).
//!
//! # Invariants
//! In PostgreSQL all parts of such a statement see the same snapshot. Here the rest begins when the first part is done, so no
//! table that a part writes may be mentioned anywhere else; what cannot be so is refused.

pub mod key_change;
pub mod moved_rows;
pub mod with_clause;

pub use self::key_change::change_key;

use crate::metadata::cache::Metadata;
use crate::pg::tree::{list_of, NodeMut, NodeRef};
use crate::plan::deparse::finish_expressions;
use crate::plan::private;
use crate::plan::statement::{custom_scan, Reading};
use crate::planner::exchange::Exchange;
use crate::planner::tables::relations;
use crate::planner::wrap::{depend_on, reading};
use crate::scan::first_scan;
use pgrx::pg_sys::{CmdType, PlannedStmt, Query};

/// What runs first.
#[derive(Default)]
pub struct PriorWrites<'a> {
    pub exchange: Exchange<'a>,
    /// The command that the user sees, when the rest is another one.
    pub shown_as: Option<CmdType::Type>,
}

/// Takes the writes out of the WITH clause; refuses (raises) what would come out differently.
pub fn extract<'a>(query: &mut NodeMut<'_, Query>, metadata: &Metadata) -> PriorWrites<'a> {
    let mut prior = PriorWrites::default();
    if !query.hasModifyingCTE {
        return prior;
    }
    for index in 0..query.as_ref().with().len() {
        extract_query(query, index, metadata, &mut prior.exchange);
    }
    query.hasModifyingCTE = false;
    prior
}

/// Takes the query at `index` of the WITH clause out, if it writes.
fn extract_query(
    query: &mut NodeMut<'_, Query>,
    index: usize,
    metadata: &Metadata,
    exchange: &mut Exchange<'_>,
) {
    let whole = query.as_ref();
    let with = whole.with().get(index);
    let Some((name, writing)) = with.and_then(|with| Some((with.name()?, with.query()?))) else {
        return;
    };
    if writing.commandType == CmdType::CMD_SELECT {
        return;
    }
    with_clause::check(whole, writing, metadata);
    exchange.relations.extend(relations(writing));
    let name = name.to_owned();
    let mut queries = query.children(|query| query.with());
    let (before, later) = queries.split_at_mut(index + 1);
    let writing = before
        .last_mut()
        .and_then(|with| with.child(|with| with.query()));
    let Some(mut writing) = writing else {
        return;
    };
    let (source, columns) = with_clause::replace(&mut writing, metadata);
    for later in later {
        with_clause::refer(later, &name, &columns, source.number);
    }
    exchange.sources.push(source);
}

/// Puts the scan that runs the writes on top of the plan.
pub fn wrap(stmt: &mut NodeMut<'_, PlannedStmt>, prior: &PriorWrites<'_>) {
    if let Some(command) = prior.shown_as {
        // The tree keeps its own operation.
        stmt.commandType = command;
    }
    let exchange = &prior.exchange;
    if exchange.sources.is_empty() {
        return;
    }
    let child = stmt.as_ref().plan().expect("a statement has a plan");
    let mut scan = custom_scan(child, first_scan::FIRST.table());
    let sources = exchange.sources.iter();
    let expressions = sources.flat_map(|source| source.parameters.iter());
    let readings: Vec<Reading> = exchange.sources.iter().map(reading).collect();
    scan.custom_exprs = finish_expressions(list_of(expressions)).as_ptr();
    scan.custom_private = private::to_list(&readings).as_ptr();
    let top = scan.as_ptr().cast();
    stmt.planTree = top;
    depend_on(stmt, &exchange.relations);
}

/// The entry of the range table that a query writes.
fn written(query: NodeRef<'_, Query>) -> NodeRef<'_, pgrx::pg_sys::RangeTblEntry> {
    query.result_entry().expect("a write has a target")
}
