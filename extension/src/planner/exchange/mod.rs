//! Rows that a write needs where its target is, and that lie elsewhere.
//!
//! # How it works
//! An UPDATE, DELETE or MERGE runs as a statement on every owner of its target. What it reads besides must be there: tables
//! that do not lie with the target's own row, and tables of this node alone, are read here first (a [`Source`] is the
//! query that reads them, over all nodes), sent to every node, and stand in the statement as
//! `expanse.exchange_rows(n)`. The largest part that depends on nothing around it is taken: a whole subquery, sublink or
//! common table expression where possible, else a table with the conditions on it alone.
//!
//! # What is not guaranteed
//! Rows of a source are those of the statement's beginning. Where PostgreSQL would look at a joined row
//! again after waiting for a lock on the target's row, it does so with the source's row as it was.

pub mod replace;
pub mod restrict;

use crate::plan::columns;

pub use self::replace::{become_rows, returned_here, select_rows, Column, Kept};

use crate::pg::list::nodes;
use crate::pg::tree::{walk_query, ListRef, NodeRef, Step};
use crate::planner::facts::Facts;
use crate::planner::tables;
use expanse_core::statement::{self, KeyEqualities, LevelId, Placement};
use pgrx::pg_sys::{self, Oid, Query, RangeTblEntry};

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

/// The sources of a statement, and the tables they stand for (of which the plan depends).
#[derive(Default)]
pub struct Taken<'a> {
    pub sources: Vec<Source<'a>>,
    pub relations: Vec<Oid>,
}

/// Replaces in the query what does not lie with the target's row (`anchor`; `None`: what does not lie on every node).
/// `None` when something can not be replaced: a system column or a whole row of a table, a recursive query.
pub fn take(
    query: *mut Query,
    facts: &Facts,
    placement: &Placement,
    anchor: Option<statement::Column>,
) -> Option<Taken<'static>> {
    let search = Search {
        facts,
        placement,
        keys: KeyEqualities::of(&facts.query, 0, anchor),
    };
    let mut taken = Taken::default();
    search.visit(query, 0, &mut taken)?;
    Some(taken)
}

/// The search for what does not lie with the target's row. The facts are those of the query before the first replacement, which
/// leaves columns and conditions as they are.
struct Search<'s> {
    facts: &'s Facts,
    placement: &'s Placement,
    keys: KeyEqualities<'s>,
}

impl Search<'_> {
    fn visit(&self, query: *mut Query, level: LevelId, taken: &mut Taken<'static>) -> Option<()> {
        // SAFETY: PostgreSQL's analysed query tree, which is the planner's to change.
        unsafe {
            let target = (*query).resultRelation as usize;
            let entries: Vec<*mut RangeTblEntry> = nodes((*query).rtable).collect();
            for (index, &entry) in entries.iter().enumerate() {
                let rti = index as u32 + 1;
                match (*entry).rtekind {
                    pg_sys::RTEKind::RTE_RELATION
                        if index + 1 != target && self.lies_elsewhere(level, rti) =>
                    {
                        taken.relations.push((*entry).relid);
                        taken.sources.push(replace::relation(query, rti, entry)?);
                    }
                    pg_sys::RTEKind::RTE_FUNCTION if returned_here(entry) => {
                        taken.sources.push(replace::returned(entry)?);
                    }
                    pg_sys::RTEKind::RTE_SUBQUERY => {
                        let inner = (*entry).subquery;
                        let below = self.level(inner);
                        if !self.needed(below) {
                            continue;
                        }
                        if columns::self_contained(NodeRef::present(inner)) {
                            taken.note(inner);
                            taken.sources.push(replace::subquery(entry)?);
                        } else {
                            self.visit(inner, below, taken)?;
                        }
                    }
                    _ => {}
                }
            }
            for (inner, recursive) in inner_queries(query) {
                let below = self.level(inner);
                if !self.needed(below) {
                    continue;
                }
                if recursive || (*inner).commandType != pg_sys::CmdType::CMD_SELECT {
                    return None;
                }
                if columns::self_contained(NodeRef::present(inner)) {
                    taken.note(inner);
                    taken.sources.push(replace::query(inner)?);
                } else {
                    self.visit(inner, below, taken)?;
                }
            }
            Some(())
        }
    }

    fn level(&self, query: *mut Query) -> LevelId {
        // SAFETY: PostgreSQL's analysed query tree.
        let level = self.facts.level_of(unsafe { NodeRef::present(query) });
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

/// The queries of a query's WITH clause, and of its sublinks; true for a recursive one.
///
/// # Safety
/// `query` is PostgreSQL's analysed tree.
unsafe fn inner_queries(query: *mut Query) -> Vec<(*mut Query, bool)> {
    // SAFETY: as the caller promises.
    let query = unsafe { NodeRef::present(query) };
    let with = query.with().iter();
    let mut found: Vec<_> = with
        .filter_map(|cte| Some((cte.query()?.as_ptr(), cte.cterecursive)))
        .collect();
    let flags = pg_sys::QTW_IGNORE_RT_SUBQUERIES | pg_sys::QTW_IGNORE_CTE_SUBQUERIES;
    walk_query(query, flags, &mut |node| match node.cast::<Query>() {
        Some(link) => {
            found.push((link.as_ptr(), false));
            Step::Over
        }
        None => Step::Into,
    });
    found
}

impl Taken<'_> {
    /// The tables of a query that is replaced as a whole.
    fn note(&mut self, query: *mut Query) {
        // SAFETY: PostgreSQL's analysed query tree.
        let query = unsafe { NodeRef::present(query) };
        self.relations.extend(tables::relations(query));
    }
}
