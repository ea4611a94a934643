//! The fragment of one table.

use crate::metadata::cache::Metadata;
use crate::pg::catalog::column_type;
use crate::pg::planner::root::signed;
use crate::pg::planner::{Rel, Relids};
use crate::pg::tree::{build, list_of, make, NodeRef};
use crate::planner::fragment::info::Fragment;
use crate::planner::fragment::shippable::shippable;
use crate::planner::fragment::{cost, path, target};
use crate::planner::refusals::refuse;
use expanse_core::fragment::cost::Figures;
use pgrx::pg_sys::{
    AttrNumber, Node, Oid, RangeTblEntry, RangeTblRef, RestrictInfo, TableOidAttributeNumber, Var,
};

/// Attaches a fragment to a distributed or replicated table; a distributed one gets its path in place of all others.
pub fn consider<'a>(rel: Rel<'a>, entry: NodeRef<'a, RangeTblEntry>, metadata: &Metadata) {
    let Some(table) = metadata.table(entry.relid) else {
        return;
    };
    if rel.is_empty() {
        return;
    }
    let index = signed(rel.relid);
    let members = Relids::of(index);
    let (remote, local) = rel
        .conditions()
        .iter()
        .filter(|condition| !condition.pseudoconstant)
        .filter_map(|condition| Some((condition, condition.clause()?)))
        .partition::<Vec<_>, _>(|&(condition, clause)| {
            may_leave(rel, condition) && shippable(clause, members)
        });
    let clauses = |of: Vec<(_, NodeRef<'a>)>| list_of(of.into_iter().map(|(_, clause)| clause));
    let (remote_conditions, local_conditions) = (clauses(remote), clauses(local));
    let distribution = table.distribution_column();
    let keys = list_of(distribution.map(|column| key(entry.relid, index, column)));
    let map = distribution.and_then(|_| metadata.map_of(table.group));
    let fragment = Fragment {
        group: table.group,
        user: entry.checkAsUser,
        members,
        from: list_of([reference(index)]),
        remote_conditions,
        local_conditions,
        keys,
        keys_never_null: keys,
        columns: target::columns(rel.target(), local_conditions),
        figures: Figures {
            work: cost::scan(rel),
            rows: rel.rows,
            nodes: map.map_or(1.0, |map| map.nodes().len().max(1) as f64),
        },
    };
    if distribution.is_some() {
        refuse_system_columns(rel, entry.relid, metadata);
        let fragment = rel.attach(fragment);
        rel.drop_paths();
        path::add_scan(rel, entry.relid, fragment);
    } else if target::only_columns(rel.target()) && entry.table_sample().is_none() {
        rel.attach(fragment);
    }
}

/// An item of FROM.
fn reference<'a>(index: i32) -> NodeRef<'a, Node> {
    let mut reference = make::<RangeTblRef>();
    reference.rtindex = index;
    reference.into_ref().node()
}

fn key<'a>(relation: Oid, index: i32, column: AttrNumber) -> NodeRef<'a, Var> {
    build::var(index, column, column_type(relation, column))
}

/// Only conditions of the lowest security level, or leakproof ones, may be applied before the others.
fn may_leave(rel: Rel<'_>, condition: NodeRef<'_, RestrictInfo>) -> bool {
    condition.security_level <= rel.baserestrict_min_security || condition.leakproof
}

/// `ctid` and its like name a place on one node; only `tableoid` has a meaning for the whole table.
fn refuse_system_columns(rel: Rel<'_>, relation: Oid, metadata: &Metadata) {
    let place = |column| i32::from(column) != TableOidAttributeNumber;
    if rel.system_columns().any(place) {
        refuse(
            "reading a system column",
            relation,
            "Rows of a distributed table live on several nodes: name them by their key.",
            metadata,
        );
    }
}
