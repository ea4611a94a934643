//! Which columns a query uses, and whether it can stand by itself.

use crate::pg::tree::{walk_levels, NodeRef};
use pgrx::pg_sys::{Aggref, GroupingFunc, Query, RTEKind, RangeTblEntry, Var};
use std::collections::BTreeSet;

/// Attribute numbers of relation `rti` that the query uses, in its sublinks and subqueries too.
pub fn used(query: NodeRef<'_, Query>, rti: i32) -> BTreeSet<i16> {
    let mut found = BTreeSet::new();
    walk_levels(query, &mut |node, depth| {
        let var = node.cast::<Var>();
        let ours = var.filter(|var| var.varlevelsup == depth && var.varno == rti);
        found.extend(ours.map(|var| var.varattno));
    });
    found
}

/// Does the query refer to nothing around it: no columns, aggregates or common table expressions of outer queries?
pub fn self_contained(query: NodeRef<'_, Query>) -> bool {
    let mut outward = false;
    walk_levels(query, &mut |node, depth| {
        outward |= levels_up(node).is_some_and(|up| up > depth);
    });
    !outward
}

/// How many query levels up the node refers; `None` for one that refers to none.
fn levels_up(node: NodeRef<'_>) -> Option<u32> {
    if let Some(var) = node.cast::<Var>() {
        Some(var.varlevelsup)
    } else if let Some(entry) = node.cast::<RangeTblEntry>() {
        (entry.rtekind == RTEKind::RTE_CTE).then_some(entry.ctelevelsup)
    } else if let Some(aggregate) = node.cast::<Aggref>() {
        Some(aggregate.agglevelsup)
    } else {
        Some(node.cast::<GroupingFunc>()?.agglevelsup)
    }
}
