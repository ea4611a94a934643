//! Writes of which only the node that has the row could say what they mean, and would not.

use crate::metadata::cache::Metadata;
use crate::pg::entry::guarded;
use crate::pg::list::nodes;
use crate::pg::raw;
use crate::planner::modify::{kind_of, refuse_on, target};
use pgrx::pg_sys::{self, Node, Query};
use std::ffi::c_void;

/// Refuses (raises) a write of a spread table whose text for other nodes would lack a part of it.
pub fn check(query: *mut Query, metadata: &Metadata) {
    let Some((name, table)) = target(query, metadata) else {
        return;
    };
    // SAFETY: PostgreSQL's analysed query tree, read only.
    let (view_check, current_of) = unsafe {
        let view_check = nodes::<pg_sys::WithCheckOption>((*query).withCheckOptions)
            .any(|check| (*check).kind == pg_sys::WCOKind::WCO_VIEW_CHECK);
        let current = guarded(|| names_cursor((*query).jointree.cast(), std::ptr::null_mut()));
        (view_check, current)
    };
    if view_check {
        // The rewriter's checks have no text; those of row security are the node's own.
        refuse_on(
            kind_of(&table),
            &name,
            "writing through a view WITH CHECK OPTION",
            "Write the table itself.",
        );
    }
    if current_of {
        refuse_on(
            kind_of(&table),
            &name,
            "WHERE CURRENT OF",
            "Name the row by its key.",
        );
    }
}

unsafe extern "C-unwind" fn names_cursor(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: a valid tree, read only.
    unsafe {
        crate::is_a!(node, T_CurrentOfExpr)
            || raw::expression_tree_walker(node, names_cursor, context)
    }
}

/// Does the statement look at columns that say where a row's version lies (`ctid`, `xmin`, `tableoid`, ...)? They
/// differ between copies of a row. What it returns is this node's, and may.
pub fn uses_system_columns(query: *mut Query) -> bool {
    // SAFETY: PostgreSQL's analysed query tree; the list is put back.
    unsafe {
        let returned = std::mem::replace(&mut (*query).returningList, std::ptr::null_mut());
        let found = guarded(|| names_column(query.cast(), is_system));
        (*query).returningList = returned;
        found
    }
}

/// Which attribute numbers are looked for.
type Wanted = fn(i32) -> bool;

fn is_system(attribute: i32) -> bool {
    attribute < 0
}

/// `tableoid` names the table on every node.
fn is_place(attribute: i32) -> bool {
    is_system(attribute) && attribute != pg_sys::TableOidAttributeNumber
}

/// Does the tree name such a column, at any level? Of a null tree: no.
unsafe fn names_column(node: *mut Node, mut wanted: Wanted) -> bool {
    // SAFETY: a valid tree; the walker reads `wanted`, which outlives it.
    unsafe { find_column(node, std::ptr::from_mut(&mut wanted).cast()) }
}

unsafe extern "C-unwind" fn find_column(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: a valid tree, read only; the context is that of `names_column`.
    unsafe {
        match (*node).type_ {
            pg_sys::NodeTag::T_Var => {
                (*context.cast::<Wanted>())(i32::from((*node.cast::<pg_sys::Var>()).varattno))
            }
            pg_sys::NodeTag::T_Query => {
                raw::query_tree_walker(node.cast(), find_column, context, 0)
            }
            _ => raw::expression_tree_walker(node, find_column, context),
        }
    }
}

/// Does the statement tell rows apart by where or when their versions were written (`ctid = '(0,1)'`, `xmin = 7`)? On each
/// node that would be another row. Compared with such columns of rows beside it (`a.ctid < b.ctid`) it is what it would be on
/// one, and so is what is returned.
pub fn tells_by_place(query: *mut Query) -> bool {
    // SAFETY: PostgreSQL's analysed query tree; the list is put back.
    unsafe {
        let returned = std::mem::replace(&mut (*query).returningList, std::ptr::null_mut());
        let found = guarded(|| compares_place(query.cast(), std::ptr::null_mut()));
        (*query).returningList = returned;
        found
    }
}

unsafe extern "C-unwind" fn compares_place(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: a valid tree, read only; DistinctExpr and NullIfExpr are OpExpr by another name.
    unsafe {
        let mixed = match (*node).type_ {
            pg_sys::NodeTag::T_Query => {
                return raw::query_tree_walker(node.cast(), compares_place, context, 0)
            }
            pg_sys::NodeTag::T_OpExpr
            | pg_sys::NodeTag::T_DistinctExpr
            | pg_sys::NodeTag::T_NullIfExpr => mixes((*node.cast::<pg_sys::OpExpr>()).args),
            pg_sys::NodeTag::T_ScalarArrayOpExpr => {
                mixes((*node.cast::<pg_sys::ScalarArrayOpExpr>()).args)
            }
            pg_sys::NodeTag::T_FuncExpr => mixes((*node.cast::<pg_sys::FuncExpr>()).args),
            pg_sys::NodeTag::T_RowCompareExpr => {
                let rows = node.cast::<pg_sys::RowCompareExpr>();
                nodes::<Node>((*rows).largs)
                    .zip(nodes::<Node>((*rows).rargs))
                    .any(|(left, right)| has_place(left) != has_place(right))
            }
            pg_sys::NodeTag::T_CaseExpr => has_place((*node.cast::<pg_sys::CaseExpr>()).arg.cast()),
            pg_sys::NodeTag::T_SubLink => {
                let link = node.cast::<pg_sys::SubLink>();
                if has_place((*link).testexpr) {
                    let inner = (*link).subselect.cast::<Query>();
                    let mut outputs = nodes::<pg_sys::TargetEntry>((*inner).targetList)
                        .filter(|entry| !(**entry).resjunk);
                    // What is compared with its outputs has been looked at; its own conditions have not.
                    return !outputs.all(|entry| has_place((*entry).expr.cast()))
                        || compares_place(inner.cast(), context);
                }
                false
            }
            _ => false,
        };
        mixed || raw::expression_tree_walker(node, compares_place, context)
    }
}

/// Do some of the arguments name a place, and others not?
unsafe fn mixes(arguments: *mut pg_sys::List) -> bool {
    // SAFETY: valid expressions.
    unsafe {
        let places = nodes::<Node>(arguments).filter(|&argument| has_place(argument));
        let places = places.count();
        places > 0 && places < nodes::<Node>(arguments).count()
    }
}

unsafe fn has_place(node: *mut Node) -> bool {
    // SAFETY: a valid expression, or null.
    unsafe { names_column(node, is_place) }
}
