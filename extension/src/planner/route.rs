//! Statements that one node can answer.

use crate::metadata::cache::GroupId;
use crate::pg::tree::NodeRef;
use crate::plan::deparse::deparse_for_remote;
use crate::plan::statement::Place;
use crate::planner::exchange::Exchange;
use crate::planner::facts::Facts;
use crate::planner::wrap::Plan;
use expanse_core::statement::{KeyId, Placement};
use pgrx::pg_sys::Query;

/// The statement's text and the key by which its node is found at execution.
pub fn prepare(
    query: NodeRef<'_, Query>,
    facts: &Facts,
    placement: &Placement,
    group: GroupId,
    key: KeyId,
) -> Plan {
    let mut placed = facts.query.placed(placement);
    Plan {
        place: Place::Key { group },
        writes: placed.any(|mention| mention.written()),
        key: Some(facts.key(key)),
        remote: deparse_for_remote(query),
        exchange: Exchange::default(),
    }
}
