//! Rows that a write needs where its target is, and that lie on other nodes.
//!
//! # How it works
//! An UPDATE, DELETE or MERGE runs as a statement on every owner of its target. What it reads besides must be there: tables
//! that do not lie with the target's own row, and tables of this node alone, are read here first (a [`Source`] is the
//! query that reads them, over all nodes), sent to every node, and stand in the statement as
//! `expanse.exchange_rows(n)`. The largest part that depends on nothing around it is replaced: a whole subquery, sublink or
//! common table expression where possible, else a table with the conditions on it alone.
//!
//! # What is not guaranteed
//! Rows of a source are those of the statement's beginning. Where PostgreSQL would look at a joined row
//! again after waiting for a lock on the target's row, it does so with the source's row as it was.

pub mod replace;
pub mod restrict;
pub mod rows;

pub use self::rows::{become_rows, columns_of, select_rows, Column, StoredRows};

use crate::pg::tree::change::sublinks;
use crate::pg::tree::{ListRef, NodeMut, NodeRef};
use crate::plan::columns::self_contained;
use crate::plan::deparse::deparse_for_remote;
use crate::planner::facts::Facts;
use crate::planner::tables;
use crate::planner::tables::returned_here;
use crate::scan::statement_scan::prepared::next_number;
use expanse_core::statement::{self, KeyEqualities, LevelId, Placement};
use pgrx::pg_sys::{CmdType, Oid, Query, RTEKind};

/// What is read here and sent along.
pub struct Source<'a> {
    /// Under which the nodes keep the rows; constant in the statement's text.
    pub number: i32,
    pub sql: String,
    /// Expressions of `$1`, `$2`, ... of its text.
    pub parameters: ListRef<'a>,
    /// It is a write: its effects are to be seen afterwards.
    pub writes: bool,
}

impl<'a> Source<'a> {
    /// The query as a source; `writes` says that it is a write.
    pub fn of(query: NodeRef<'_, Query>, writes: bool) -> Source<'a> {
        let remote = deparse_for_remote(query);
        Source {
            number: next_number(),
            sql: remote.sql,
            parameters: remote.parameters,
            writes,
        }
    }
}

/// The sources of a statement, and the tables they stand for (on which the plan depends).
#[derive(Default)]
pub struct Exchange<'a> {
    pub sources: Vec<Source<'a>>,
    pub relations: Vec<Oid>,
}

impl Exchange<'_> {
    /// The tables of a query that is replaced as a whole.
    fn note(&mut self, query: NodeRef<'_, Query>) {
        self.relations.extend(tables::relations(query));
    }

    /// Adds those of another part of the statement.
    pub fn append(&mut self, mut other: Self) {
        self.sources.append(&mut other.sources);
        self.relations.append(&mut other.relations);
    }
}

/// Replaces in the query what does not lie with the target's row (`anchor`; `None`: what does not lie on every node).
/// `None` when something cannot be replaced: a system column or a whole row of a table, a recursive query.
pub fn replace_remote_reads<'a>(
    query: &mut NodeMut<'_, Query>,
    facts: &Facts,
    placement: &Placement,
    anchor: Option<statement::Column>,
) -> Option<Exchange<'a>> {
    let search = Search {
        facts,
        placement,
        keys: KeyEqualities::of(&facts.query, 0, anchor),
    };
    let mut exchange = Exchange::default();
    search.visit(query, 0, &mut exchange)?;
    Some(exchange)
}

/// The search for what does not lie with the target's row. The facts are those of the query before the first replacement, which
/// leaves columns and conditions as they are.
struct Search<'s> {
    facts: &'s Facts,
    placement: &'s Placement,
    keys: KeyEqualities<'s>,
}

impl Search<'_> {
    fn visit(
        &self,
        query: &mut NodeMut<'_, Query>,
        level: LevelId,
        exchange: &mut Exchange<'_>,
    ) -> Option<()> {
        let entries = query.as_ref().range_table().len() as i32;
        for rti in 1..=entries {
            self.visit_entry(query, rti, level, exchange)?;
        }
        for mut with in query.children(|query| query.with()) {
            let recursive = with.cterecursive;
            if let Some(mut inner) = with.child(|with| with.query()) {
                self.visit_inner(&mut inner, recursive, exchange)?;
            }
        }
        for mut link in sublinks(query) {
            self.visit_inner(&mut link, false, exchange)?;
        }
        Some(())
    }

    fn visit_entry(
        &self,
        query: &mut NodeMut<'_, Query>,
        rti: i32,
        level: LevelId,
        exchange: &mut Exchange<'_>,
    ) -> Option<()> {
        let written = query.resultRelation;
        let mut entry = query.child(|query| query.entry(rti))?;
        match entry.rtekind {
            RTEKind::RTE_RELATION if rti != written && self.lies_elsewhere(level, rti as u32) => {
                exchange.relations.push(entry.relid);
                exchange.sources.push(replace::relation(query, rti)?);
            }
            RTEKind::RTE_FUNCTION if returned_here(entry.as_ref()) => {
                exchange.sources.push(replace::returned(&mut entry)?);
            }
            RTEKind::RTE_SUBQUERY => {
                let mut inner = entry.child(|entry| entry.subquery())?;
                let below = self.level(inner.as_ref());
                if !self.needed(below) {
                    return Some(());
                }
                if self_contained(inner.as_ref()) {
                    exchange.note(inner.as_ref());
                    exchange.sources.push(replace::subquery(&mut entry)?);
                } else {
                    self.visit(&mut inner, below, exchange)?;
                }
            }
            _ => {}
        }
        Some(())
    }

    /// A query of the WITH clause, or of a sublink.
    fn visit_inner(
        &self,
        inner: &mut NodeMut<'_, Query>,
        recursive: bool,
        exchange: &mut Exchange<'_>,
    ) -> Option<()> {
        let below = self.level(inner.as_ref());
        if !self.needed(below) {
            return Some(());
        }
        if recursive || inner.commandType != CmdType::CMD_SELECT {
            return None;
        }
        if !self_contained(inner.as_ref()) {
            return self.visit(inner, below, exchange);
        }
        exchange.note(inner.as_ref());
        exchange.sources.push(replace::query(inner)?);
        Some(())
    }

    fn level(&self, query: NodeRef<'_, Query>) -> LevelId {
        let level = self.facts.level_of(query);
        level.expect("every query is a level of the facts")
    }

    /// Does the query read anything that does not lie with the target's row?
    fn needed(&self, level: LevelId) -> bool {
        let facts = &self.facts.query;
        let mut within = facts.within(level);
        within.any(|inner| facts.levels[inner].needs_this_node(self.placement))
            || !self.keys.together(level, self.placement)
    }

    /// Do rows of a relation lie elsewhere than the target's row?
    fn lies_elsewhere(&self, level: LevelId, index: u32) -> bool {
        let mut mentions = self.facts.query.levels[level].mentions.iter();
        let Some(mention) = mentions.find(|mention| mention.index == index) else {
            return false;
        };
        match self.placement.column(mention.relation) {
            Some(attribute) => {
                let column = statement::Column { index, attribute };
                !self.keys.anchored(level, column)
            }
            None => self.placement.is_local(mention.relation),
        }
    }
}
