//! Relations of a query.

use crate::metadata::cache::Metadata;
use crate::pg::catalog::{function_name, is_built_in, is_of_extension};
use crate::pg::tree::walk::RANGE_TABLE_TOO;
use crate::pg::tree::{walk_query, NodeRef, Step};
use pgrx::pg_sys::{
    FuncExpr, Oid, Query, RTEKind, RangeTblEntry, QTW_IGNORE_CTE_SUBQUERIES,
    QTW_IGNORE_RT_SUBQUERIES,
};

/// Does the query name a distributed or replicated table, at any depth? Expressions are looked through only where they hold
/// queries: this is what every statement of every table is asked.
pub fn names_table(query: NodeRef<'_, Query>, metadata: &Metadata) -> bool {
    let in_from = query.range_table().iter().any(|entry| match entry.rtekind {
        RTEKind::RTE_RELATION => metadata.table(entry.relid).is_some(),
        RTEKind::RTE_SUBQUERY => entry
            .subquery()
            .is_some_and(|inner| names_table(inner, metadata)),
        _ => false,
    });
    let in_with = || {
        let mut queries = query.with().iter().filter_map(|cte| cte.query());
        queries.any(|inner| names_table(inner, metadata))
    };
    in_from || in_with() || query.hasSubLinks && in_sublinks(query, metadata)
}

fn in_sublinks(query: NodeRef<'_, Query>, metadata: &Metadata) -> bool {
    let flags = QTW_IGNORE_RT_SUBQUERIES | QTW_IGNORE_CTE_SUBQUERIES;
    walk_query(query, flags, &mut |node| match node.cast::<Query>() {
        Some(inner) if names_table(inner, metadata) => Step::Stop,
        Some(_) => Step::Over,
        None => Step::Into,
    })
}

/// All relations in a query, whatever they are.
pub fn relations(query: NodeRef<'_, Query>) -> Vec<Oid> {
    let mut found = Vec::new();
    walk_query(query, RANGE_TABLE_TOO, &mut |node| {
        if let Some(entry) = node.cast::<RangeTblEntry>() {
            if entry.rtekind == RTEKind::RTE_RELATION {
                found.push(entry.relid);
            }
        }
        Step::Into
    });
    found
}

/// Is this entry of FROM rows that only this session has: what a write of the WITH clause returned?
pub fn returned_here(entry: NodeRef<'_, RangeTblEntry>) -> bool {
    let function = entry.functions().first();
    let call = function
        .and_then(|function| function.call())
        .and_then(|call| call.cast::<FuncExpr>());
    call.is_some_and(|call| {
        !is_built_in(call.funcid)
            && is_of_extension(call.funcid)
            && function_name(call.funcid).as_deref() == Some(c"returned_rows")
    })
}
