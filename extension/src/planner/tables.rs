//! Which distributed and replicated tables a query touches, at any depth, and whether it writes them.

use crate::metadata::cache::{Metadata, TableKind};
use crate::pg::entry::guarded;
use crate::pg::raw;
use pgrx::pg_sys::{self, Node, Oid, Query};
use std::ffi::c_void;

/// One mention of a distributed or replicated table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mention {
    pub relation: Oid,
    /// The result relation of an INSERT, UPDATE, DELETE or MERGE, or locked by FOR UPDATE/SHARE.
    pub written: bool,
}

/// Everything [`collect`] finds.
#[derive(Debug, Default)]
pub struct Mentions {
    pub distributed: Vec<Mention>,
    pub replicated: Vec<Mention>,
}

impl Mentions {
    pub fn is_empty(&self) -> bool {
        self.distributed.is_empty() && self.replicated.is_empty()
    }

    pub fn all(&self) -> impl Iterator<Item = &Mention> {
        self.distributed.iter().chain(&self.replicated)
    }
}

struct Walk<'a> {
    metadata: &'a Metadata,
    found: Mentions,
    /// A relation that is neither distributed nor replicated nor a view was met.
    others: bool,
}

/// All mentions in a query, its subqueries, common table expressions and sublinks.
pub fn collect(query: *mut Query, metadata: &Metadata) -> Mentions {
    let mut walk = Walk {
        metadata,
        found: Mentions::default(),
        others: false,
    };
    // SAFETY: the query is PostgreSQL's analysed tree; the walker only reads it.
    unsafe { guarded(|| visit_query(query, &mut walk)) };
    walk.found
}

/// Does the query mention relations that exist on this node only?
pub fn others(query: *mut Query, metadata: &Metadata) -> bool {
    let mut walk = Walk {
        metadata,
        found: Mentions::default(),
        others: false,
    };
    // SAFETY: as in `collect`.
    unsafe { guarded(|| visit_query(query, &mut walk)) };
    walk.others
}

/// All relations in a query, whatever they are.
pub fn relations(query: *mut Query) -> Vec<Oid> {
    let mut found: Vec<Oid> = Vec::new();
    let context = std::ptr::from_mut(&mut found).cast();
    // SAFETY: as in `collect`; the context outlives the walk.
    unsafe { guarded(|| visit_relations(query.cast(), context)) };
    found
}

unsafe extern "C-unwind" fn visit_relations(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: PostgreSQL walks a valid tree and passes on the context it was given.
    unsafe {
        match (*node).type_ {
            pg_sys::NodeTag::T_Query => raw::query_tree_walker(
                node.cast(),
                visit_relations,
                context,
                pg_sys::QTW_EXAMINE_RTES_BEFORE as i32,
            ),
            pg_sys::NodeTag::T_RangeTblEntry => {
                let entry = node.cast::<pg_sys::RangeTblEntry>();
                if (*entry).rtekind == pg_sys::RTEKind::RTE_RELATION {
                    (*context.cast::<Vec<Oid>>()).push((*entry).relid);
                }
                false
            }
            _ => raw::expression_tree_walker(node, visit_relations, context),
        }
    }
}

unsafe fn visit_query(query: *mut Query, walk: &mut Walk) {
    // SAFETY: the caller passes a valid query; the context outlives the walk.
    unsafe {
        let rtable = (*query).rtable;
        if !rtable.is_null() {
            for index in 0..(*rtable).length {
                let rte = (*(*rtable).elements.add(index as usize))
                    .ptr_value
                    .cast::<pg_sys::RangeTblEntry>();
                if (*rte).rtekind != pg_sys::RTEKind::RTE_RELATION {
                    walk.others |= crate::planner::exchange::replace::returned_here(rte);
                    continue;
                }
                let Some(table) = walk.metadata.table((*rte).relid) else {
                    // The rewriter leaves views in the range table beside their queries.
                    walk.others |= (*rte).relkind != pg_sys::RELKIND_VIEW as std::os::raw::c_char;
                    continue;
                };
                let written = index + 1 == (*query).resultRelation
                    || !raw::get_parse_rowmark(query, (index + 1) as u32).is_null();
                let mention = Mention {
                    relation: (*rte).relid,
                    written,
                };
                match table.kind {
                    TableKind::Distributed { .. } => walk.found.distributed.push(mention),
                    TableKind::Replicated => walk.found.replicated.push(mention),
                }
            }
        }
        raw::query_tree_walker(query, visit, std::ptr::from_mut(walk).cast(), 0);
    }
}

unsafe extern "C-unwind" fn visit(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: PostgreSQL walks a valid tree and passes on the context it was given.
    unsafe {
        if (*node).type_ == pg_sys::NodeTag::T_Query {
            visit_query(node.cast(), &mut *context.cast::<Walk>());
            return false;
        }
        raw::expression_tree_walker(node, visit, context)
    }
}
