//! A write of the WITH clause.

use crate::metadata::cache::Metadata;
use crate::pg::names::bare;
use crate::pg::nodes::{items, make};
use crate::pg::raw;
use crate::pg::tree::NodeRef;
use crate::plan::columns;
use crate::planner::exchange::replace::{become_rows, columns_of, Kept};
use crate::planner::exchange::Source;
use crate::planner::first::source_of;
use crate::planner::refusals::refuse;
use crate::planner::{exchange, refusals, tables};
use pgrx::pg_sys::*;
use std::ffi::{c_void, CStr};

/// Refuses a write whose table is mentioned elsewhere in the statement: its rows would be seen at different times.
///
/// # Safety
/// `inner` is a write of `query`'s WITH clause.
pub unsafe fn check(query: *mut Query, inner: *mut Query, metadata: &Metadata) {
    // SAFETY: as the caller promises.
    unsafe {
        refusals::check(NodeRef::present(inner), metadata);
        let target = items::<RangeTblEntry>((*inner).rtable)
            .nth((*inner).resultRelation as usize - 1)
            .expect("a write has a target");
        let relation = (*target).relid;
        let mentions = tables::relations(NodeRef::present(query));
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
}

/// Turns the write into a query that reads what it returned.
///
/// # Safety
/// As [`check`].
pub unsafe fn replace(inner: *mut Query, metadata: &Metadata) -> Source<'static> {
    // SAFETY: as the caller promises; nodes are made whole.
    unsafe {
        let alone = columns::self_contained(NodeRef::present(inner));
        let returned = (*inner).returningList;
        let columns = if returned.is_null() {
            Some(Vec::new())
        } else {
            columns_of(returned)
        };
        let (true, Some(columns)) = (alone, columns) else {
            let relation = items::<RangeTblEntry>((*inner).rtable)
                .nth((*inner).resultRelation as usize - 1)
                .map_or(InvalidOid, |entry| (*entry).relid);
            refuse(
                "a write inside WITH that reads other queries of the WITH clause, or returns records",
                relation,
                "Run it by itself, in the same transaction.",
                metadata,
            )
        };
        let source = source_of(inner);
        let reading = make::<Query>(NodeTag::T_Query);
        (*reading).commandType = CmdType::CMD_SELECT;
        (*reading).canSetTag = (*inner).canSetTag;
        (*reading).jointree = makeFromExpr(std::ptr::null_mut(), std::ptr::null_mut());
        if !columns.is_empty() {
            exchange::select_rows(reading, Kept::Here(source.number), &columns);
        }
        std::ptr::copy_nonoverlapping(reading, inner, 1);
        source
    }
}

struct Reference {
    name: *const std::os::raw::c_char,
    query: *mut Query,
    number: i32,
    /// Query levels below the WITH clause.
    depth: u32,
}

/// Lets a later query of the WITH clause read the returned rows directly instead of by the clause's name.
///
/// # Safety
/// Both are of one WITH clause; `cte` has been replaced.
pub unsafe fn refer(later: *mut CommonTableExpr, cte: *mut CommonTableExpr, number: i32) {
    let mut reference = Reference {
        // SAFETY: as the caller promises.
        name: unsafe { (*cte).ctename },
        // SAFETY: as above.
        query: unsafe { (*cte).ctequery.cast() },
        number,
        depth: 0,
    };
    // SAFETY: PostgreSQL's analysed tree; the context outlives the walk.
    unsafe {
        visit((*later).ctequery, std::ptr::from_mut(&mut reference).cast());
    }
}

unsafe extern "C-unwind" fn visit(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: PostgreSQL walks a valid tree; the context is a reference.
    unsafe {
        let reference = context.cast::<Reference>();
        match (*node).type_ {
            NodeTag::T_Query => {
                (*reference).depth += 1;
                let flags = QTW_EXAMINE_RTES_BEFORE as i32;
                raw::query_tree_walker(node.cast(), visit, context, flags);
                (*reference).depth -= 1;
                false
            }
            NodeTag::T_RangeTblEntry => {
                let entry = node.cast::<RangeTblEntry>();
                if (*entry).rtekind == RTEKind::RTE_CTE
                    && (*entry).ctelevelsup == (*reference).depth
                    && CStr::from_ptr((*entry).ctename) == CStr::from_ptr((*reference).name)
                {
                    if let Some(columns) = columns_of((*(*reference).query).targetList) {
                        become_rows(
                            entry,
                            Kept::Here((*reference).number),
                            &columns,
                            (*reference).name,
                        );
                    }
                }
                false
            }
            _ => raw::expression_tree_walker(node, visit, context),
        }
    }
}
