//! The custom scan of Route and Modify is put on top of the plan for this node.

use crate::pg::tree::build::integer;
use crate::pg::tree::{list_of, ListRef, NodeRef};
use crate::plan::deparse::{finish_expressions, RemoteQuery};
use crate::plan::private;
use crate::plan::statement::{scan_over, Place, Reading, Statement};
use crate::planner::exchange::{Source, Taken};
use crate::scan::statement_scan;
use pgrx::pg_sys::{self, Node, PlannedStmt};

/// A statement that is to be wrapped.
pub struct Plan {
    pub place: Place,
    pub writes: bool,
    pub key: *mut Node,
    pub remote: RemoteQuery<'static>,
    pub taken: Taken<'static>,
}

/// Puts the custom scan on top of the plan for this node.
pub fn wrap(stmt: *mut PlannedStmt, plan: &Plan) {
    // SAFETY: the statement is PostgreSQL's finished plan, ours to extend; new nodes are palloc'd in its context.
    unsafe {
        let child = (*stmt).planTree;
        let (mut scan, binary) =
            scan_over(NodeRef::present(child), statement_scan::methods(plan.place));
        let mut expressions = std::ptr::null_mut();
        let mut key_type = pg_sys::InvalidOid;
        if !plan.key.is_null() {
            key_type = pg_sys::exprType(plan.key);
            expressions = pg_sys::lappend(expressions, plan.key.cast());
        }
        expressions = pg_sys::list_concat(expressions, plan.remote.parameters.as_ptr());
        for source in &plan.taken.sources {
            expressions = pg_sys::list_concat(expressions, source.parameters.as_ptr());
        }
        scan.custom_exprs = finish_expressions(ListRef::new(expressions)).as_ptr();
        for &relation in &plan.taken.relations {
            (*stmt).relationOids = pg_sys::lappend_oid((*stmt).relationOids, relation);
        }
        let statement = Statement {
            sql: plan.remote.sql.clone(),
            place: plan.place,
            writes: plan.writes,
            binary,
            key_type: key_type.to_u32(),
            sources: plan.taken.sources.iter().map(reading).collect(),
        };
        let number = integer(statement_scan::next_number()).node();
        scan.custom_private = list_of([private::to_node(&statement), number]).as_ptr();
        (*stmt).planTree = scan.as_ptr().cast();
        if !plan.writes && (*child).type_ == pg_sys::NodeTag::T_Material {
            // A scrollable cursor: what can go backwards must stay on top.
            (*stmt).planTree = pg_sys::materialize_finished_plan((*stmt).planTree);
        }
    }
}

/// The source as the plan keeps it.
pub fn reading(source: &Source) -> Reading {
    Reading {
        number: source.number,
        sql: source.sql.clone(),
        parameters: source.parameters.len(),
        writes: source.writes,
    }
}
