//! Walks over PostgreSQL's trees, by PostgreSQL's own walkers.
//!
//! # How it works
//! A callback of ours stands between PostgreSQL's walker and the closure. What the closure raises is kept there and raised
//! again when the walk has ended, so that no Rust unwinding crosses PostgreSQL's frames. The walk runs below one guard:
//! PostgreSQL's own error on the way (a tree too deep for the stack) leaves only frames without anything to drop.

use super::{ListRef, NodeMut, NodeRef};
use crate::pg::entry::guarded;
use crate::pg::raw;
use pgrx::pg_sys::{self, Node, NodeTag, Query};
use std::any::Any;
use std::ffi::c_void;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

/// How a walk goes on after a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// To what is below it.
    Into,
    /// To the next one beside it.
    Over,
    /// Nowhere: what was looked for is found.
    Stop,
}

struct Walk<'v, 'a> {
    visit: &'v mut dyn FnMut(NodeRef<'a>) -> Step,
    flags: u32,
    raised: Option<Box<dyn Any + Send>>,
}

impl Walk<'_, '_> {
    fn context(&mut self) -> *mut c_void {
        std::ptr::from_mut(self).cast()
    }

    fn end(self, stopped: bool) -> bool {
        match self.raised {
            Some(payload) => resume_unwind(payload),
            None => stopped,
        }
    }
}

/// Visits a node and what is below it, subqueries, sublinks and common table expressions too. True when stopped.
pub fn walk<'a>(root: NodeRef<'a>, visit: &mut dyn FnMut(NodeRef<'a>) -> Step) -> bool {
    let mut walk = Walk {
        visit,
        flags: 0,
        raised: None,
    };
    let context = walk.context();
    // SAFETY: a valid tree; the context outlives the walk.
    let stopped = unsafe { guarded(|| on_node(root.as_ptr(), context)) };
    walk.end(stopped)
}

/// The same for the elements of a list.
pub fn walk_list<'a, T>(list: ListRef<'a, T>, visit: &mut dyn FnMut(NodeRef<'a>) -> Step) -> bool {
    list.iter().any(|element| walk(element.node(), visit))
}

/// Visits what is below a query (not the query itself); `flags` are PostgreSQL's `QTW_` flags, for all levels.
pub fn walk_query<'a>(
    query: NodeRef<'a, Query>,
    flags: u32,
    visit: &mut dyn FnMut(NodeRef<'a>) -> Step,
) -> bool {
    let mut walk = Walk {
        visit,
        flags,
        raised: None,
    };
    let context = walk.context();
    // SAFETY: as in `walk`.
    let stopped = unsafe {
        guarded(|| raw::query_tree_walker(query.as_ptr(), on_node, context, flags as i32))
    };
    walk.end(stopped)
}

unsafe extern "C-unwind" fn on_node(node: *mut Node, context: *mut c_void) -> bool {
    // SAFETY: PostgreSQL passes on the context it was given, and nodes of the tree that is walked. Nothing droppable is left in
    // this frame when PostgreSQL is called.
    unsafe {
        let walk = context.cast::<Walk>();
        let Some(found) = NodeRef::new(node) else {
            return false;
        };
        let step = match catch_unwind(AssertUnwindSafe(|| ((*walk).visit)(found))) {
            Ok(step) => step,
            Err(payload) => {
                (*walk).raised = Some(payload);
                Step::Stop
            }
        };
        match (step, (*node).type_) {
            (Step::Stop, _) => true,
            // The walker of its query goes into an entry of the range table by itself.
            (Step::Over, _) | (Step::Into, NodeTag::T_RangeTblEntry) => false,
            (Step::Into, NodeTag::T_Query) => {
                raw::query_tree_walker(node.cast(), on_node, context, (*walk).flags as i32)
            }
            (Step::Into, _) => raw::expression_tree_walker(node, on_node, context),
        }
    }
}

/// What becomes of a node in [`mutate`].
pub enum Change<'a> {
    /// A copy, with what is below it changed in turn.
    Into,
    /// The node as it is, with everything below it.
    Keep,
    Replace(NodeRef<'a>),
}

struct Mutation<'v, 'a> {
    change: &'v mut dyn FnMut(NodeRef<'a>) -> Change<'a>,
    flags: u32,
    raised: Option<Box<dyn Any + Send>>,
}

impl Mutation<'_, '_> {
    fn end(self) {
        if let Some(payload) = self.raised {
            resume_unwind(payload);
        }
    }
}

/// A changed copy of an expression; what is kept is shared with the original.
pub fn mutate<'a>(
    root: NodeRef<'a>,
    change: &mut dyn FnMut(NodeRef<'a>) -> Change<'a>,
) -> NodeRef<'a> {
    let mut mutation = Mutation {
        change,
        flags: 0,
        raised: None,
    };
    let context = std::ptr::from_mut(&mut mutation).cast();
    let changed = super::guarded_node(|| {
        // SAFETY: a valid tree; the context outlives the mutation.
        unsafe { change_node(root.as_ptr(), context) }
    });
    mutation.end();
    changed.unwrap_or(root)
}

/// A copy of a node with what is below it changed; the node itself is not asked about.
pub fn mutate_below<'a>(
    root: NodeRef<'a>,
    change: &mut dyn FnMut(NodeRef<'a>) -> Change<'a>,
) -> NodeRef<'a> {
    let mut mutation = Mutation {
        change,
        flags: 0,
        raised: None,
    };
    let context = std::ptr::from_mut(&mut mutation).cast();
    let changed = super::guarded_node(|| {
        // SAFETY: as in `mutate`.
        unsafe { raw::expression_tree_mutator(root.as_ptr(), change_node, context) }
    });
    mutation.end();
    changed.unwrap_or(root)
}

/// Changes what is below a query (not the query itself), by PostgreSQL's `QTW_` flags; with `QTW_DONT_COPY_QUERY` in place.
pub fn mutate_query<'a>(
    query: NodeMut<'a, Query>,
    flags: u32,
    change: &mut dyn FnMut(NodeRef<'a>) -> Change<'a>,
) -> NodeMut<'a, Query> {
    let mut mutation = Mutation {
        change,
        flags,
        raised: None,
    };
    let context = std::ptr::from_mut(&mut mutation).cast();
    // SAFETY: a valid tree of the caller's own; the context outlives the mutation.
    let changed = unsafe {
        NodeMut::new(guarded(|| {
            raw::query_tree_mutator(query.as_ptr(), change_node, context, flags as i32)
        }))
    };
    mutation.end();
    changed.unwrap_or(query)
}

unsafe extern "C-unwind" fn change_node(node: *mut Node, context: *mut c_void) -> *mut Node {
    // SAFETY: as in `on_node`.
    unsafe {
        let mutation = context.cast::<Mutation>();
        let Some(found) = NodeRef::new(node) else {
            return std::ptr::null_mut();
        };
        // After an error the rest stays as it is.
        if (*mutation).raised.is_some() {
            return node;
        }
        let change = match catch_unwind(AssertUnwindSafe(|| ((*mutation).change)(found))) {
            Ok(change) => change,
            Err(payload) => {
                (*mutation).raised = Some(payload);
                Change::Keep
            }
        };
        match (change, (*node).type_) {
            (Change::Keep, _) => node,
            (Change::Replace(with), _) => with.as_ptr(),
            (Change::Into, NodeTag::T_Query) => {
                raw::query_tree_mutator(node.cast(), change_node, context, (*mutation).flags as i32)
                    .cast()
            }
            (Change::Into, _) => raw::expression_tree_mutator(node, change_node, context),
        }
    }
}

/// Visits everything below a query, entries of range tables too; the visitor is told how many query levels deeper it is.
pub fn walk_levels<'a>(query: NodeRef<'a, Query>, visit: &mut dyn FnMut(NodeRef<'a>, u32)) {
    walk_level(query, 0, visit);
}

fn walk_level<'a>(query: NodeRef<'a, Query>, depth: u32, visit: &mut dyn FnMut(NodeRef<'a>, u32)) {
    walk_query(query, RANGE_TABLE_TOO, &mut |node| {
        if let Some(inner) = node.cast::<Query>() {
            walk_level(inner, depth + 1, visit);
            return Step::Over;
        }
        visit(node, depth);
        Step::Into
    });
}

/// Marks flags of walks that all use.
pub const RANGE_TABLE_TOO: u32 = pg_sys::QTW_EXAMINE_RTES_BEFORE;
