//! To which key the distributed tables of a query are pinned by equality.
//!
//! # How it works
//! At each query level, equalities that must hold for every row (WHERE, ON of inner joins; ON of outer joins for the
//! side that they can null) connect columns with each other and with keys. Beginning with the keys (or with the anchor, the
//! target table's own column), columns that are connected become pinned, until nothing changes. Sublinks see
//! what their outer query has pinned.

use crate::is_a;
use crate::metadata::cache::Metadata;
use crate::pg::entry::guarded;
use crate::pg::list::nodes;
use crate::pg::raw;
use crate::pg::tree::NodeRef;
use crate::plan::casts;
use crate::plan::contains;
use crate::planner::equality;
use crate::planner::equality::Equality;
use pgrx::pg_sys::{self, Node, Query};
use std::ffi::c_void;

/// What a column is pinned to.
#[derive(Clone, Copy)]
pub enum Key {
    /// An expression without columns.
    Value(*mut Node),
    /// The anchor: the same row of the target table.
    Anchor,
}

impl Key {
    fn same(self, other: Key) -> bool {
        match (self, other) {
            (Key::Anchor, Key::Anchor) => true,
            // SAFETY: both are expressions of the analysed query.
            (Key::Value(a), Key::Value(b)) => unsafe { pg_sys::equal(a.cast(), b.cast()) },
            _ => false,
        }
    }
}

/// A column of one query level: range table index and attribute number.
pub type Column = (u32, i16);

/// Pinned columns of one level and of those around it.
pub struct Level<'a> {
    outer: Option<&'a Level<'a>>,
    pinned: Vec<(Column, Key)>,
}

impl<'a> Level<'a> {
    /// What a query's own conditions pin, given what is pinned around it.
    pub fn of(query: *mut Query, outer: Option<&'a Level<'a>>, anchor: Option<Column>) -> Self {
        let equalities = equality::of(query);
        let mut level = Level {
            outer,
            pinned: anchor
                .map(|column| (column, Key::Anchor))
                .into_iter()
                .collect(),
        };
        while pin_more(&equalities, &mut level) {}
        level
    }

    /// Is the column always equal to what the expression gives?
    pub fn equal(&self, column: Column, node: *mut Node) -> bool {
        let sides = (lookup(self, column), key_of(node, self));
        matches!(sides, (Some(one), Some(other)) if one.same(other))
    }

    /// Is this column of the level always equal to the anchor?
    pub fn anchored(&self, column: Column) -> bool {
        matches!(lookup(self, column), Some(Key::Anchor))
    }
}

/// Do all distributed tables of a query inside of `outer` lie with the anchor?
pub fn together(query: *mut Query, metadata: &Metadata, outer: &Level) -> bool {
    let mut found = None;
    check_level(query, metadata, Some(outer), None, &mut found)
        && matches!(found, None | Some(Key::Anchor))
}

/// The key that all distributed tables of the query (at all levels) are pinned to, if they are all pinned to the same.
/// With an `anchor`, that column counts as pinned.
pub fn common_key(query: *mut Query, metadata: &Metadata, anchor: Option<Column>) -> Option<Key> {
    let mut found = None;
    let fits = check_level(query, metadata, None, anchor, &mut found);
    fits.then_some(found).flatten()
}

fn check_level(
    query: *mut Query,
    metadata: &Metadata,
    outer: Option<&Level>,
    anchor: Option<Column>,
    found: &mut Option<Key>,
) -> bool {
    let level = Level::of(query, outer, anchor);
    // SAFETY: PostgreSQL's analysed query tree.
    let rtable = unsafe { (*query).rtable };
    for (index, rte) in nodes::<pg_sys::RangeTblEntry>(rtable).enumerate() {
        // SAFETY: entries of the range table.
        let (kind, relation, subquery) = unsafe { ((*rte).rtekind, (*rte).relid, (*rte).subquery) };
        if kind == pg_sys::RTEKind::RTE_SUBQUERY
            && !check_level(subquery, metadata, Some(&level), None, found)
        {
            return false;
        }
        let table = (kind == pg_sys::RTEKind::RTE_RELATION)
            .then(|| metadata.table(relation))
            .flatten();
        let Some(column) = table.and_then(|t| t.distribution_column()) else {
            continue;
        };
        let at = (index as u32 + 1, column);
        let Some(&(_, key)) = level.pinned.iter().find(|(c, _)| *c == at) else {
            return false;
        };
        if found.is_some_and(|other| !other.same(key)) {
            return false;
        }
        *found = Some(key);
    }
    check_nested(query, metadata, &level, found)
}

/// Common table expressions and sublinks.
fn check_nested(
    query: *mut Query,
    metadata: &Metadata,
    level: &Level,
    found: &mut Option<Key>,
) -> bool {
    // SAFETY: PostgreSQL's analysed query tree; the collector only gathers pointers.
    unsafe {
        for cte in nodes::<pg_sys::CommonTableExpr>((*query).cteList) {
            let inner = (*cte).ctequery.cast();
            if !check_level(inner, metadata, Some(level), None, found) {
                return false;
            }
        }
        links(query)
            .into_iter()
            .all(|link| check_level(link, metadata, Some(level), None, found))
    }
}

/// The queries of the sublinks in a query's own expressions.
pub fn links(query: *mut Query) -> Vec<*mut Query> {
    let mut links: Vec<*mut Query> = Vec::new();
    let flags = pg_sys::QTW_IGNORE_RT_SUBQUERIES | pg_sys::QTW_IGNORE_CTE_SUBQUERIES;
    let context = std::ptr::from_mut(&mut links).cast();
    // SAFETY: PostgreSQL's analysed query tree; the collector only gathers pointers.
    unsafe { guarded(|| raw::query_tree_walker(query, gather, context, flags as i32)) };
    links
}

/// The queries of the sublinks in an expression.
///
/// # Safety
/// A valid expression or list of expressions, or null.
pub unsafe fn links_of(node: *mut Node) -> Vec<*mut Query> {
    let mut links: Vec<*mut Query> = Vec::new();
    let context = std::ptr::from_mut(&mut links).cast();
    // SAFETY: as the caller promises; the collector only gathers pointers.
    unsafe { guarded(|| gather(node, context)) };
    links
}

unsafe extern "C-unwind" fn gather(node: *mut Node, context: *mut c_void) -> bool {
    if node.is_null() {
        return false;
    }
    if is_a!(node, T_Query) {
        // SAFETY: the context is the vector that check_nested passed.
        unsafe { (*context.cast::<Vec<*mut Query>>()).push(node.cast()) };
        return false;
    }
    // SAFETY: a valid expression tree.
    unsafe { raw::expression_tree_walker(node, gather, context) }
}

fn pin_more(equalities: &[Equality], level: &mut Level) -> bool {
    let before = level.pinned.len();
    for equality in equalities {
        for (side, other) in [
            (equality.left, equality.right),
            (equality.right, equality.left),
        ] {
            let Some(column) = column_of(side, 0) else {
                continue;
            };
            if level.pinned.iter().any(|(c, _)| *c == column) || !equality.may_pin(column.0) {
                continue;
            }
            if !equality.is_of_hash(side) {
                continue;
            }
            if let Some(key) = key_of(other, level) {
                level.pinned.push((column, key));
            }
        }
    }
    level.pinned.len() > before
}

/// The column that the expression is, of the query `levels_up` levels around it.
pub fn column_of(node: *mut Node, levels_up: u32) -> Option<Column> {
    let node = strip_alike(node);
    if !is_a!(node, T_Var) {
        return None;
    }
    let var = node.cast::<pg_sys::Var>();
    // SAFETY: the tag was tested.
    unsafe {
        ((*var).varlevelsup == levels_up && (*var).varattno > 0)
            .then_some(((*var).varno as u32, (*var).varattno))
    }
}

fn key_of(node: *mut Node, level: &Level) -> Option<Key> {
    if let Some(column) = column_of(node, 0) {
        return lookup(level, column);
    }
    let (mut around, mut up) = (level.outer, 1);
    while let Some(outer) = around {
        if let Some(column) = column_of(node, up) {
            return lookup(outer, column);
        }
        (around, up) = (outer.outer, up + 1);
    }
    value(node).map(Key::Value)
}

fn lookup(level: &Level, column: Column) -> Option<Key> {
    level
        .pinned
        .iter()
        .find(|(c, _)| *c == column)
        .map(|&(_, key)| key)
}

fn strip_alike(node: *mut Node) -> *mut Node {
    // SAFETY: an expression of the analysed query.
    casts::strip_alike(unsafe { NodeRef::present(node) }).as_ptr()
}

fn contains_column(node: *mut Node) -> bool {
    // SAFETY: as above.
    contains::contains_column(unsafe { NodeRef::present(node) })
}

/// An expression that can be computed before the statement runs: no columns, sublinks or volatile functions.
pub fn value(node: *mut Node) -> Option<*mut Node> {
    // SAFETY: walks a valid expression.
    let usable = unsafe {
        !contains_column(node)
            && !pg_sys::checkExprHasSubLink(node)
            && !pg_sys::contain_volatile_functions(node)
    };
    usable.then_some(strip_alike(node))
}
