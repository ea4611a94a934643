//! The parts that nodes deliver of an aggregate.

use crate::pg::catalog::{function_name, is_built_in};
use crate::pg::names;
use crate::pg::planner::aggregate::{self, AggregateFunctions};
use crate::pg::planner::Target;
use crate::pg::tree::{NodeMut, NodeRef};
use expanse_core::fragment::grouping::{state, Aggregate, State};
use pgrx::pg_sys::{AggSplit, Aggref, Oid, INTERNALOID};
use std::ffi::CString;

/// The target of partial aggregation, as PostgreSQL marks it; `None` when an aggregate has no parts. `columns` are grouping
/// columns and aggregates.
pub fn target<'a>(columns: Target<'a>) -> Option<Target<'a>> {
    let parts = Target::empty();
    for (expression, reference) in columns.columns() {
        let part = match expression.cast::<Aggref>() {
            Some(aggregate) => {
                state_function(aggregate)?;
                aggregate::partial(aggregate).node()
            }
            None => expression,
        };
        parts.push(part, reference);
    }
    Some(parts)
}

/// The aggregate as the nodes are asked for it: an ordinary one whose result is the state, if it is a partial one.
pub fn ask_for_state(aggregate: &mut NodeMut<'_, Aggref>) {
    if aggregate.aggsplit == AggSplit::AGGSPLIT_SIMPLE {
        return;
    }
    if let Some(function) = state_function(aggregate.as_ref()) {
        aggregate.aggfnoid = function;
    }
    aggregate.aggsplit = AggSplit::AGGSPLIT_SIMPLE;
}

/// The function that gives an aggregate's transition state: the aggregate itself when its result is the state, else the
/// aggregate of the same arguments in schema `expanse` whose name begins with `partial_`.
fn state_function(aggregate: NodeRef<'_, Aggref>) -> Option<Oid> {
    let functions = AggregateFunctions::of(aggregate.aggfnoid)?;
    let about = Aggregate {
        ordinary: aggregate.aggkind as u8 == b'n',
        distinct_or_ordered: !aggregate.distinct().is_empty() || !aggregate.order().is_empty(),
        built_in: is_built_in(aggregate.aggfnoid),
        has_combine_function: functions.combine.is_some(),
        has_final_function: functions.finish.is_some(),
        internal_state: aggregate.aggtranstype == INTERNALOID,
    };
    match state(&about)? {
        State::Result => Some(aggregate.aggfnoid),
        State::OtherAggregate => partial_function(aggregate),
    }
}

fn partial_function(aggregate: NodeRef<'_, Aggref>) -> Option<Oid> {
    let name = function_name(aggregate.aggfnoid)?;
    let name = CString::new([b"partial_", name.as_bytes()].concat()).ok()?;
    let types: Vec<Oid> = aggregate.argument_types().iter().collect();
    names::find_function(&name, &types)
}
