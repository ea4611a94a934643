//! Writes that run before the statement they are part of: INSERT, UPDATE and DELETE inside WITH, and the DELETE half of an
//! UPDATE that changes the distribution column.
//!
//! # How it works
//! Such a write becomes a [`Source`]: a statement of its own that this session runs first, over whatever nodes it concerns;
//! the rows it returns stand in the rest of the statement as `expanse.returned_rows(n)`. A custom scan on top of
//! the plan runs it at the first row ([`crate::scan::first_scan`]).
//!
//! # Invariants
//! In PostgreSQL all parts of such a statement see the same snapshot. Here the rest begins when the first part is done, so no
//! table that a part writes may be mentioned anywhere else; what can not be so is refused.

pub mod key;
pub mod moving;
pub mod with;

pub use self::key::change_key;

use crate::metadata::cache::Metadata;
use crate::pg::list::nodes;
use crate::pg::raw;
use crate::pg::tree::{ListRef, NodeRef};
use crate::plan::deparse;
use crate::plan::private;
use crate::plan::statement;
use crate::plan::statement::Reading;
use crate::planner::exchange::{Source, Taken};
use crate::planner::wrap;
use crate::scan::first_scan;
use pgrx::pg_sys::{self, CommonTableExpr, Node, PlannedStmt, Query};

/// What runs first.
#[derive(Default)]
pub struct First<'a> {
    pub taken: Taken<'a>,
    /// The command that the user sees, when the rest is another one.
    pub shown_as: Option<pg_sys::CmdType::Type>,
}

/// Takes the writes out of the WITH clause; refuses (raises) what would come out differently.
pub fn take(query: *mut Query, metadata: &Metadata) -> First<'static> {
    let mut first = First::default();
    // SAFETY: PostgreSQL's analysed query tree, the planner's to change.
    unsafe {
        if !(*query).hasModifyingCTE {
            return first;
        }
        let ctes: Vec<*mut CommonTableExpr> = nodes((*query).cteList).collect();
        for (index, &cte) in ctes.iter().enumerate() {
            let inner: *mut Query = (*cte).ctequery.cast();
            if (*inner).commandType == pg_sys::CmdType::CMD_SELECT {
                continue;
            }
            with::check(query, inner, metadata);
            first
                .taken
                .relations
                .extend(crate::planner::tables::relations(NodeRef::present(inner)));
            let source = with::replace(inner, metadata);
            for &later in &ctes[index + 1..] {
                with::refer(later, cte, source.number);
            }
            first.taken.sources.push(source);
        }
        (*query).hasModifyingCTE = false;
    }
    first
}

/// Puts the scan that runs the first part on top of the plan.
pub fn wrap(stmt: *mut PlannedStmt, first: &First<'_>) {
    if let Some(command) = first.shown_as {
        // SAFETY: the finished statement; its tree keeps its own operation.
        unsafe { (*stmt).commandType = command };
    }
    if first.taken.sources.is_empty() {
        return;
    }
    // SAFETY: the statement is PostgreSQL's finished plan, ours to extend.
    unsafe {
        let mut scan = statement::custom_scan(
            NodeRef::present((*stmt).planTree),
            first_scan::FIRST.table(),
        );
        let mut expressions = std::ptr::null_mut();
        let mut readings: Vec<Reading> = Vec::new();
        for source in &first.taken.sources {
            expressions = pg_sys::list_concat(expressions, source.parameters.as_ptr());
            readings.push(wrap::reading(source));
        }
        scan.custom_exprs = deparse::finish_expressions(ListRef::new(expressions)).as_ptr();
        scan.custom_private = private::to_list(&readings).as_ptr();
        (*stmt).planTree = scan.as_ptr().cast();
        for &relation in &first.taken.relations {
            (*stmt).relationOids = pg_sys::lappend_oid((*stmt).relationOids, relation);
        }
    }
}

/// A write as a source: its text and what it returns under which number.
unsafe fn source_of(writing: *mut Query) -> Source<'static> {
    // SAFETY: an analysed query.
    let remote = deparse::deparse_for_remote(unsafe { NodeRef::present(writing) });
    Source {
        number: crate::scan::statement_scan::prepared::next_number(),
        sql: remote.sql,
        parameters: remote.parameters,
        writes: true,
    }
}

/// The node's tag says that this is a parameter of a multiple assignment, which has no text outside of it.
unsafe extern "C-unwind" fn multiple(node: *mut Node, context: *mut std::ffi::c_void) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: a valid tree, read only.
    unsafe {
        if crate::is_a!(node, T_Param) {
            let kind = (*node.cast::<pg_sys::Param>()).paramkind;
            return kind == pg_sys::ParamKind::PARAM_MULTIEXPR;
        }
        raw::expression_tree_walker(node, multiple, context)
    }
}
