//! Statements of functions and triggers on a node that works for another one, and those of foreign keys.
//!
//! # How it works
//! A fragment's own statement takes distributed tables for the local tables that they are on its node. A statement of a
//! user's function or trigger that the fragment runs means the whole tables: it is done when this node has all that it
//! needs (replicated tables to read, rows of a key that this node owns) and refused otherwise. It can not be spread again from here: the
//! transaction that it belongs to is another node's.
//!
//! What PostgreSQL asks to check a foreign key is about this node's rows in any session: rows that point to each other lie on one
//! node.

use crate::metadata::cache::Metadata;
use crate::pg::list::nodes;
use crate::pg::spi;
use crate::plan::remote_rows;
use crate::planner::route;
use crate::planner::tables;
use crate::planner::tables::Mentions;
use crate::planner::wrap::Plan;
use pgrx::pg_sys::{self, CmdType, Oid, Query, RangeTblEntry};

/// Is this a statement of a user's function, in a session that works for another node?
pub fn of_function() -> bool {
    // SAFETY: plain variables of the backend. A statement that was sent is planned before its portal runs.
    unsafe {
        !pg_sys::ActivePortal.is_null()
            && !pg_sys::am_walsender
            && !pg_sys::IsLogicalWorker()
            && !spi::runs_own()
    }
}

/// Is this what PostgreSQL asks for a foreign key? It names tables by ONLY, and while it checks or cascades no other code sets
/// this flag of the security context.
pub fn of_foreign_key(query: *mut Query) -> bool {
    // SAFETY: reads the security context.
    unsafe { pg_sys::InNoForceRLSOperation() && names_only(query) }
}

/// Are all tables named by ONLY? So also where PostgreSQL checks all rows of a new foreign key.
///
/// # Safety
/// An analysed query.
unsafe fn names_only(query: *mut Query) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        // The target of an INSERT always looks so.
        (*query).commandType != CmdType::CMD_INSERT
            && nodes::<RangeTblEntry>((*query).rtable)
                .all(|entry| (*entry).rtekind != pg_sys::RTEKind::RTE_RELATION || !(*entry).inh)
    }
}

/// How a statement of a function can be done on this node, which works for another one.
pub enum Here {
    /// As PostgreSQL plans it.
    Local,
    /// If this node owns the key.
    Route(Plan),
}

/// Decides that; refuses (raises) what needs other nodes.
pub fn decide(query: *mut Query, mentions: &Mentions, metadata: &Metadata) -> Here {
    // SAFETY: PostgreSQL's analysed query tree.
    let (names_only, reads, modifying) = unsafe {
        (
            names_only(query),
            (*query).commandType == CmdType::CMD_SELECT,
            (*query).hasModifyingCTE,
        )
    };
    let written = mentions.all().any(|mention| mention.written);
    if names_only || mentions.distributed.is_empty() && reads && !written {
        return Here::Local;
    }
    if !modifying {
        if let Some(plan) = route::consider(query, mentions, metadata) {
            return Here::Route(plan);
        }
    }
    let relation = mentions
        .distributed
        .first()
        .or_else(|| mentions.replicated.first())
        .map_or(pg_sys::InvalidOid, |mention| mention.relation);
    remote_rows::refuse(relation)
}

/// Do policies of the query's tables read distributed tables? Each node applies them to its own rows, and has the other table's
/// only in part.
pub fn reading_policy(query: *mut Query, metadata: &Metadata) -> Option<Oid> {
    // SAFETY: PostgreSQL's analysed query tree; what the rewriter adds for row security is part of it.
    unsafe {
        for entry in nodes::<RangeTblEntry>((*query).rtable) {
            let inner = (*entry).subquery;
            if !inner.is_null() {
                if let Some(found) = reading_policy(inner, metadata) {
                    return Some(found);
                }
            }
            if metadata.table((*entry).relid).is_none() {
                continue;
            }
            for link in policy_queries(entry, query) {
                let mentions = tables::collect(link, metadata);
                if let Some(mention) = mentions.distributed.first() {
                    return Some(mention.relation);
                }
            }
        }
        let mut inner = crate::planner::key_equality::links(query);
        let ctes = nodes::<pg_sys::CommonTableExpr>((*query).cteList);
        inner.extend(ctes.map(|cte| (*cte).ctequery.cast::<Query>()));
        inner
            .into_iter()
            .find_map(|query| reading_policy(query, metadata))
    }
}

/// The subqueries of an entry's policies, and of the checks of what is written.
unsafe fn policy_queries(entry: *mut RangeTblEntry, query: *mut Query) -> Vec<*mut Query> {
    // SAFETY: as the caller has it.
    unsafe {
        let mut found = crate::planner::key_equality::links_of((*entry).securityQuals.cast());
        for check in nodes::<pg_sys::WithCheckOption>((*query).withCheckOptions) {
            found.extend(crate::planner::key_equality::links_of((*check).qual));
        }
        found
    }
}
