//! The custom scan of Route and Modify is put on top of the plan for this node.

use crate::plan::deparse::{finish_expressions, Shipped};
use crate::plan::statement::{private, scan_over, Place, Reading, Statement};
use crate::planner::exchange::{Source, Taken};
use crate::scan::statement_scan;
use pgrx::pg_sys::{self, Node, PlannedStmt};

/// A statement that is to be wrapped.
pub struct Plan {
    pub place: Place,
    pub writes: bool,
    pub key: *mut Node,
    pub shipped: Shipped,
    pub taken: Taken,
}

/// Puts the custom scan on top of the plan for this node.
pub fn wrap(stmt: *mut PlannedStmt, plan: &Plan) {
    // SAFETY: the statement is PostgreSQL's finished plan, ours to extend; new nodes are palloc'd in its context.
    unsafe {
        let child = (*stmt).planTree;
        let (scan, binary) = scan_over(child, statement_scan::methods(plan.place));
        let mut expressions = std::ptr::null_mut();
        let mut key_type = pg_sys::InvalidOid;
        if !plan.key.is_null() {
            key_type = pg_sys::exprType(plan.key);
            expressions = pg_sys::lappend(expressions, plan.key.cast());
        }
        expressions = pg_sys::list_concat(expressions, plan.shipped.parameters);
        for source in &plan.taken.sources {
            expressions = pg_sys::list_concat(expressions, source.parameters);
        }
        (*scan).custom_exprs = finish_expressions(expressions);
        for &relation in &plan.taken.relations {
            (*stmt).relationOids = pg_sys::lappend_oid((*stmt).relationOids, relation);
        }
        let statement = Statement {
            sql: plan.shipped.sql.clone(),
            place: plan.place,
            writes: plan.writes,
            binary,
            key_type: key_type.to_u32(),
            sources: plan.taken.sources.iter().map(reading).collect(),
        };
        let number = pg_sys::makeInteger(statement_scan::next_number());
        (*scan).custom_private = pg_sys::lappend(private(&statement), number.cast());
        (*stmt).planTree = std::ptr::from_mut(&mut (*scan).scan.plan);
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
        parameters: crate::pg::list::nodes::<Node>(source.parameters).count(),
        writes: source.writes,
    }
}
