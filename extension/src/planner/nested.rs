//! Statements of functions and triggers on a node that works for another one, and those of foreign keys.
//!
//! # How it works
//! A fragment's own statement takes distributed tables for the local tables that they are on its node. A statement of a
//! user's function or trigger that the fragment runs means all rows of the tables: it is done when this node has all that it
//! needs (replicated tables to read, rows of a key that this node owns) and refused otherwise. It cannot be distributed
//! again from here: the transaction that it belongs to is another node's.
//!
//! What PostgreSQL asks to check a foreign key is about this node's rows in any session: rows that point to each other lie on one
//! node.

use crate::pg::spi;
use crate::pg::tree::NodeRef;
use crate::plan::remote_rows;
use crate::planner::facts::Facts;
use crate::planner::route;
use crate::planner::wrap::Plan;
use expanse_core::statement::{decide_nested, NestedWay, Placement, QueryFacts};
use pgrx::pg_sys::{self, Oid, Query};

/// Is this a statement of a user's function, in a session that works for another node?
pub fn of_function() -> bool {
    // SAFETY: plain variables of the backend. A statement that was sent is planned before its portal runs.
    unsafe {
        !pg_sys::ActivePortal.is_null()
            && !pg_sys::am_walsender
            && !pg_sys::IsLogicalWorker()
            && !spi::runs_own()
    }
}

/// Is this what PostgreSQL asks for a foreign key? It names tables by ONLY, also where it checks all rows of a new foreign
/// key, and while it checks or cascades no other code sets this flag of the security context.
pub fn of_foreign_key(facts: &QueryFacts) -> bool {
    // SAFETY: reads the security context.
    facts.names_only && unsafe { pg_sys::InNoForceRLSOperation() }
}

/// Prepares a statement of a function: `None` when PostgreSQL's plan is the plan. Refuses (raises) what needs other nodes.
pub fn prepare(query: NodeRef<'_, Query>, facts: &Facts, placement: &Placement) -> Option<Plan> {
    match decide_nested(&facts.query, placement) {
        NestedWay::Local => None,
        NestedWay::Route { group, key } => {
            Some(route::prepare(query, facts, placement, group, key))
        }
        NestedWay::RemoteRows { relation } => remote_rows::refuse(Oid::from(relation)),
    }
}
