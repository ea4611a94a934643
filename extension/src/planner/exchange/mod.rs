//! Rows that a write needs where its target is, and that lie elsewhere.
//!
//! # How it works
//! An UPDATE, DELETE or MERGE runs as a statement on every owner of its target. What it reads besides must be there: tables
//! that are not pinned to the target's own row, and tables of this node alone, are read here first (a [`Source`] is the
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

use crate::metadata::cache::Metadata;
use crate::pg::list::nodes;
use crate::pg::tree::{ListRef, NodeRef};
use crate::planner::key_equality;
use crate::planner::key_equality::Level;
use crate::planner::tables;
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
    metadata: &Metadata,
    anchor: Option<key_equality::Column>,
) -> Option<Taken<'static>> {
    let mut taken = Taken::default();
    let level = Level::of(query, None, anchor);
    visit(query, metadata, &level, &mut taken)?;
    Some(taken)
}

fn visit(
    query: *mut Query,
    metadata: &Metadata,
    level: &Level,
    taken: &mut Taken<'static>,
) -> Option<()> {
    // SAFETY: PostgreSQL's analysed query tree, which is the planner's to change.
    unsafe {
        let target = (*query).resultRelation as usize;
        let entries: Vec<*mut RangeTblEntry> = nodes((*query).rtable).collect();
        for (index, &entry) in entries.iter().enumerate() {
            let rti = index as u32 + 1;
            match (*entry).rtekind {
                pg_sys::RTEKind::RTE_RELATION
                    if index + 1 != target && lies_elsewhere(entry, rti, metadata, level) =>
                {
                    taken.relations.push((*entry).relid);
                    taken.sources.push(replace::relation(query, rti, entry)?);
                }
                pg_sys::RTEKind::RTE_FUNCTION if returned_here(entry) => {
                    taken.sources.push(replace::returned(entry)?);
                }
                pg_sys::RTEKind::RTE_SUBQUERY => {
                    let inner = (*entry).subquery;
                    if !needed(inner, metadata, level) {
                        continue;
                    }
                    if columns::self_contained(NodeRef::present(inner)) {
                        taken.note(inner);
                        taken.sources.push(replace::subquery(entry)?);
                    } else {
                        visit(inner, metadata, &Level::of(inner, Some(level), None), taken)?;
                    }
                }
                _ => {}
            }
        }
        let ctes = nodes::<pg_sys::CommonTableExpr>((*query).cteList)
            .map(|cte| ((*cte).ctequery.cast::<Query>(), (*cte).cterecursive));
        let links = key_equality::links(query)
            .into_iter()
            .map(|link| (link, false));
        for (inner, recursive) in ctes.collect::<Vec<_>>().into_iter().chain(links) {
            if !needed(inner, metadata, level) {
                continue;
            }
            if recursive || (*inner).commandType != pg_sys::CmdType::CMD_SELECT {
                return None;
            }
            if columns::self_contained(NodeRef::present(inner)) {
                taken.note(inner);
                taken.sources.push(replace::query(inner)?);
            } else {
                visit(inner, metadata, &Level::of(inner, Some(level), None), taken)?;
            }
        }
        Some(())
    }
}

impl Taken<'_> {
    /// The tables of a query that is replaced as a whole.
    fn note(&mut self, query: *mut Query) {
        self.relations.extend(tables::relations(query));
    }
}

/// Does the query read anything that does not lie with the target's row?
fn needed(query: *mut Query, metadata: &Metadata, level: &Level) -> bool {
    tables::others(query, metadata) || !key_equality::together(query, metadata, level)
}

unsafe fn lies_elsewhere(
    entry: *mut RangeTblEntry,
    rti: u32,
    metadata: &Metadata,
    level: &Level,
) -> bool {
    // SAFETY: an entry of the analysed query.
    unsafe {
        match metadata.table((*entry).relid) {
            Some(table) => table
                .distribution_column()
                .is_some_and(|column| !level.anchored((rti, column))),
            None => (*entry).relkind != pg_sys::RELKIND_VIEW as std::os::raw::c_char,
        }
    }
}
