//! A write of the WITH clause.

use crate::metadata::cache::Metadata;
use crate::pg::names::bare;
use crate::pg::tree::build::from;
use crate::pg::tree::change::entries;
use crate::pg::tree::{make, NodeMut, NodeRef};
use crate::plan::columns::self_contained;
use crate::planner::exchange::{become_rows, columns_of, select_rows, Column, Source, StoredRows};
use crate::planner::prior_writes::written;
use crate::planner::refusals::{self, refuse};
use crate::planner::tables::relations;
use pgrx::pg_sys::{CmdType, CommonTableExpr, Query, RTEKind};
use std::ffi::CStr;

/// Refuses a write of the query's WITH clause whose table is mentioned elsewhere in the statement: its rows would be seen at
/// different times.
pub fn check(query: NodeRef<'_, Query>, writing: NodeRef<'_, Query>, metadata: &Metadata) {
    refusals::check(writing, metadata);
    let relation = written(writing).relid;
    let mentions = relations(query);
    if mentions.iter().filter(|&&other| other == relation).count() > 1 {
        refuse(
            &format!(
                "a statement that writes \"{}\" inside WITH and uses it elsewhere",
                bare(relation)
            ),
            relation,
            "Run the statement of the WITH clause by itself, in the same transaction.",
            metadata,
        );
    }
}

/// Turns the write into a query that reads what it returned: the columns, none without RETURNING.
pub fn replace<'a>(
    writing: &mut NodeMut<'_, Query>,
    metadata: &Metadata,
) -> (Source<'a>, Vec<Column>) {
    let (source, columns) = {
        let writing = writing.as_ref();
        let returning = writing.returning();
        let columns = if returning.is_empty() {
            Some(Vec::new())
        } else {
            columns_of(returning)
        };
        let (true, Some(columns)) = (self_contained(writing), columns) else {
            refuse(
                "a write inside WITH that reads other queries of the WITH clause, or returns records",
                written(writing).relid,
                "Run it by itself, in the same transaction.",
                metadata,
            )
        };
        (Source::of(writing, true), columns)
    };
    let mut reading = if columns.is_empty() {
        select_nothing()
    } else {
        select_rows(StoredRows::InThisSession(source.number), &columns)
    };
    reading.canSetTag = writing.canSetTag;
    **writing = *reading;
    (source, columns)
}

/// A SELECT without columns or FROM.
fn select_nothing<'a>() -> NodeMut<'a, Query> {
    let mut query = make::<Query>();
    query.commandType = CmdType::CMD_SELECT;
    query.jointree = from([], None).as_ptr();
    query
}

/// Lets a later query of the WITH clause read the returned rows directly instead of by the write's name.
pub fn refer(
    later: &mut NodeMut<'_, CommonTableExpr>,
    name: &CStr,
    columns: &[Column],
    number: i32,
) {
    if columns.is_empty() {
        return;
    }
    let Some(mut query) = later.child(|later| later.query()) else {
        return;
    };
    let references = entries(&mut query, &mut |entry, depth| {
        entry.rtekind == RTEKind::RTE_CTE
            // The WITH clause stands one level around its queries.
            && entry.ctelevelsup == depth + 1
            && entry.cte_name() == Some(name)
    });
    for mut entry in references {
        become_rows(&mut entry, StoredRows::InThisSession(number), columns, name);
    }
}
