//! Changing trees in place.

use super::walk::{walk_levels, walk_query, Step};
use super::{ListRef, NodeMut, NodeRef};
use pgrx::pg_sys::{self, Query, RangeTblEntry};

impl<T> NodeMut<'_, T> {
    /// The node below this one that `field` leads to, for a change: `query.child(|query| query.join_tree())`.
    pub fn child<U>(
        &mut self,
        field: impl for<'x> Fn(NodeRef<'x, T>) -> Option<NodeRef<'x, U>>,
    ) -> Option<NodeMut<'_, U>> {
        let below = field(self.as_ref())?;
        // SAFETY: it lies below a node that only its holder changes, who is borrowed for as long.
        unsafe { NodeMut::new(below.as_ptr()) }
    }

    /// The nodes of a list below this one, for changes.
    pub fn children<U>(
        &mut self,
        field: impl for<'x> Fn(NodeRef<'x, T>) -> ListRef<'x, U>,
    ) -> Vec<NodeMut<'_, U>> {
        field(self.as_ref())
            .iter()
            // SAFETY: as in `child`.
            .filter_map(|below| unsafe { NodeMut::new(below.as_ptr()) })
            .collect()
    }
}

/// Changes the query and every query below it, the innermost ones first.
pub fn each_query(query: &mut NodeMut<'_, Query>, change: &mut dyn FnMut(&mut NodeMut<'_, Query>)) {
    for below in queries_below(query.as_ref()).into_iter().rev() {
        // SAFETY: it lies below a query that only its holder changes.
        if let Some(mut below) = unsafe { NodeMut::new(below) } {
            change(&mut below);
        }
    }
    change(query);
}

/// Each one before those below it.
fn queries_below(query: NodeRef<'_, Query>) -> Vec<*mut Query> {
    let mut found = Vec::new();
    walk_query(query, 0, &mut |node| {
        found.extend(node.cast::<Query>().map(NodeRef::as_ptr));
        Step::Into
    });
    found
}

/// The queries of sublinks in a query's own expressions, for changes.
pub fn sublinks<'q>(query: &'q mut NodeMut<'_, Query>) -> Vec<NodeMut<'q, Query>> {
    let flags = pg_sys::QTW_IGNORE_RT_SUBQUERIES | pg_sys::QTW_IGNORE_CTE_SUBQUERIES;
    let mut found = Vec::new();
    walk_query(query.as_ref(), flags, &mut |node| {
        let Some(inner) = node.cast::<Query>() else {
            return Step::Into;
        };
        found.push(inner);
        Step::Over
    });
    for_changes(found)
}

/// The entries of FROM at all levels for which the test holds, for changes. The test is told how many query levels deeper than
/// `query` the entry is.
pub fn entries<'q>(
    query: &'q mut NodeMut<'_, Query>,
    test: &mut dyn FnMut(NodeRef<'_, RangeTblEntry>, u32) -> bool,
) -> Vec<NodeMut<'q, RangeTblEntry>> {
    let mut found = Vec::new();
    walk_levels(query.as_ref(), &mut |node, depth| {
        let entry = node.cast().filter(|entry| test(*entry, depth));
        found.extend(entry);
    });
    for_changes(found)
}

/// Nodes below one that its holder lends for changes.
fn for_changes<'q, T>(found: Vec<NodeRef<'q, T>>) -> Vec<NodeMut<'q, T>> {
    let nodes = found.into_iter();
    nodes
        // SAFETY: they lie below a node that only its holder changes, who is borrowed for as long by the callers.
        .filter_map(|node| unsafe { NodeMut::new(node.as_ptr()) })
        .collect()
}

/// Lets columns of entry `from` of the range table be those of entry `to`, in an expression or a list of them.
pub fn change_columns<T>(tree: &mut NodeMut<'_, T>, from: i32, to: i32) {
    // SAFETY: a tree that only its holder changes.
    unsafe { pg_sys::ChangeVarNodes(tree.as_ptr().cast(), from, to, 0) };
}

/// Moves an expression or a query `levels` deeper into queries around it. For an expression, columns of the level it stood in
/// (`least` 0) lie outside then; in a query only what refers to queries around it (`least` 1).
pub fn deepen<T>(tree: &mut NodeMut<'_, T>, levels: i32, least: i32) {
    // SAFETY: a tree that only its holder changes.
    unsafe { pg_sys::IncrementVarSublevelsUp(tree.as_ptr().cast(), levels, least) };
}
