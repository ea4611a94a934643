//! A Route whose key this node owns, before the executor starts: the plan for this node takes its place.
//!
//! # How it works
//! The child of Route is exactly what PostgreSQL planned for this node alone. With the key known from a constant or a
//! parameter, the executor is given a copy of the statement whose tree is that child. EXPLAIN, and a
//! library that measures statements, get the Route itself.
//!
//! # Invariants
//! The statement itself (it may be a cached plan) is never changed. The group locks are held by then, as for Route.

use crate::metadata::cache::metadata;
use crate::pg::executor::parameters::Parameters;
use crate::pg::executor::query::{only_explains, QueryNode};
use crate::pg::tree::{flat_copy, NodeRef};
use crate::plan::statement::Place;
use crate::scan::statement_scan::places::owner_of;
use crate::scan::statement_scan::prepared::prepared;
use crate::scan::statement_scan::ROUTE;
use pgrx::pg_sys::{Const, CustomScan, Datum, Node, Param, ParamKind};

/// The Route that a query consists of.
fn route(query: QueryNode<'_>) -> Option<NodeRef<'_, CustomScan>> {
    let scan = query.statement().plan()?.cast::<CustomScan>()?;
    ROUTE.are_of(&scan).then_some(scan)
}

/// Is this a Route that may turn out to be for this node alone? Two comparisons for any other statement.
pub fn may_shorten(query: QueryNode<'_>, flags: i32) -> bool {
    route(query).is_some() && !query.is_measured() && !only_explains(flags)
}

/// Gives the executor the plan for this node, when this node owns the key.
pub fn shorten(query: QueryNode<'_>) {
    let Some(scan) = route(query) else { return };
    // The first expression is the key, the first plan the child.
    let (Some(key), Some(child)) = (scan.expressions().first(), scan.plans().first()) else {
        return;
    };
    let Some(value) = known_value(key, query.parameters()) else {
        return;
    };
    let plan = prepared(scan);
    let (Place::Key { group }, Some(metadata)) = (plan.statement.place, metadata()) else {
        return;
    };
    let owner = value.map_or(metadata.local_node, |value| {
        owner_of(&plan, value, &metadata, group)
    });
    if owner == metadata.local_node {
        let mut statement = flat_copy(query.statement());
        statement.planTree = child.as_ptr();
        query.set_statement(statement.into_ref());
    }
}

/// The value of a constant or of a parameter of the statement (`Some(None)` is NULL); `None` for anything else.
fn known_value(key: NodeRef<Node>, parameters: Parameters) -> Option<Option<Datum>> {
    if let Some(constant) = key.cast::<Const>() {
        return Some((!constant.constisnull).then_some(constant.constvalue));
    }
    let parameter = key.cast::<Param>()?;
    let given = parameter.paramkind == ParamKind::PARAM_EXTERN;
    given
        .then(|| parameters.value(parameter.paramid, parameter.paramtype))
        .flatten()
}
