//! Which columns a query uses, and whether it can stand by itself.

use crate::pg::raw;
use pgrx::pg_sys::{self, Node, NodeTag, Query};
use std::collections::BTreeSet;
use std::ffi::c_void;

struct Search {
    /// Query levels below the one where the search began.
    depth: u32,
    /// The range table index that is looked for.
    rti: i32,
    found: BTreeSet<i16>,
    /// Something refers to what is around the query.
    outward: bool,
}

/// Attribute numbers of relation `rti` that the query uses, in its sublinks and subqueries too.
///
/// # Safety
/// `query` is PostgreSQL's analysed tree.
pub unsafe fn used(query: *mut Query, rti: u32) -> BTreeSet<i16> {
    // SAFETY: as the caller promises.
    unsafe { search(query, rti as i32).found }
}

/// Does the query refer to nothing around it: no columns, aggregates or common table expressions of outer queries?
///
/// # Safety
/// As [`used`].
pub unsafe fn self_contained(query: *mut Query) -> bool {
    // SAFETY: as the caller promises.
    unsafe { !search(query, 0).outward }
}

unsafe fn search(query: *mut Query, rti: i32) -> Search {
    let mut search = Search {
        depth: 0,
        rti,
        found: BTreeSet::new(),
        outward: false,
    };
    let flags = pg_sys::QTW_EXAMINE_RTES_BEFORE as i32;
    // SAFETY: as the caller of the caller promises; the context outlives the walk.
    unsafe {
        raw::query_tree_walker(query, visit, std::ptr::from_mut(&mut search).cast(), flags);
    }
    search
}

unsafe extern "C-unwind" fn visit(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: PostgreSQL walks a valid tree; the context is a search.
    unsafe {
        let search = &mut *context.cast::<Search>();
        match (*node).type_ {
            NodeTag::T_Var => {
                let var = node.cast::<pg_sys::Var>();
                search.outward |= (*var).varlevelsup > search.depth;
                if (*var).varlevelsup == search.depth && (*var).varno == search.rti {
                    search.found.insert((*var).varattno);
                }
                false
            }
            NodeTag::T_Query => {
                search.depth += 1;
                let flags = pg_sys::QTW_EXAMINE_RTES_BEFORE as i32;
                raw::query_tree_walker(node.cast(), visit, context, flags);
                (*context.cast::<Search>()).depth -= 1;
                false
            }
            NodeTag::T_RangeTblEntry => {
                let entry = node.cast::<pg_sys::RangeTblEntry>();
                search.outward |= (*entry).rtekind == pg_sys::RTEKind::RTE_CTE
                    && (*entry).ctelevelsup > search.depth;
                false
            }
            NodeTag::T_Aggref if (*node.cast::<pg_sys::Aggref>()).agglevelsup > search.depth => {
                search.outward = true;
                false
            }
            NodeTag::T_GroupingFunc
                if (*node.cast::<pg_sys::GroupingFunc>()).agglevelsup > search.depth =>
            {
                search.outward = true;
                false
            }
            _ => raw::expression_tree_walker(node, visit, context),
        }
    }
}
