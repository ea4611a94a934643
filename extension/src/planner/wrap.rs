//! The custom scan of a statement that other nodes run as text is put on top of the plan for this node.

use crate::pg::tree::build::integer;
use crate::pg::tree::{list_of, NodeMut, NodeRef};
use crate::plan::deparse::{finish_expressions, RemoteQuery};
use crate::plan::private;
use crate::plan::statement::{scan_over, Place, Reading, Statement};
use crate::planner::exchange::{Exchange, Source};
use crate::scan::statement_scan;
use pgrx::pg_sys::{self, NodeTag, Oid, PlannedStmt};

/// A statement that is to be wrapped.
pub struct Plan {
    pub place: Place,
    pub writes: bool,
    /// For [`Place::Key`].
    pub key: Option<NodeRef<'static>>,
    pub remote: RemoteQuery<'static>,
    pub exchange: Exchange<'static>,
}

/// Puts the custom scan on top of the plan for this node.
pub fn wrap(stmt: &mut NodeMut<'_, PlannedStmt>, plan: &Plan) {
    let child = stmt.as_ref().plan().expect("a statement has a plan");
    let (mut scan, binary) = scan_over(child, statement_scan::methods(plan.place));
    let sent = plan
        .exchange
        .sources
        .iter()
        .flat_map(|source| source.parameters.iter());
    let expressions = plan
        .key
        .into_iter()
        .chain(plan.remote.parameters.iter())
        .chain(sent);
    scan.custom_exprs = finish_expressions(list_of(expressions)).as_ptr();
    let key_type = plan
        .key
        .map_or(pg_sys::InvalidOid, NodeRef::expression_type);
    let statement = Statement {
        sql: plan.remote.sql.clone(),
        place: plan.place,
        writes: plan.writes,
        binary,
        key_type: key_type.to_u32(),
        sources: plan.exchange.sources.iter().map(reading).collect(),
    };
    let number = integer(statement_scan::next_number()).node();
    scan.custom_private = list_of([private::to_node(&statement), number]).as_ptr();
    let backwards = !plan.writes && child.node().tag() == NodeTag::T_Material;
    let mut top = scan.as_ptr().cast();
    if backwards {
        // A scrollable cursor: what can go backwards must stay on top.
        // SAFETY: a finished plan.
        top = unsafe { pg_sys::materialize_finished_plan(top) };
    }
    stmt.planTree = top;
    depend_on(stmt, &plan.exchange.relations);
}

/// Makes changes of the relations invalidate the plan.
pub fn depend_on(stmt: &mut NodeMut<'_, PlannedStmt>, relations: &[Oid]) {
    for &relation in relations {
        // SAFETY: the statement is complete and ours to extend.
        stmt.relationOids = unsafe { pg_sys::lappend_oid(stmt.relationOids, relation) };
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
