//! Combining here what the nodes deliver in parts.

use crate::pg::planner::paths::{is_hashable, is_sortable};
use crate::pg::planner::{Aggregation, PathRef, Planner, Rel, Target};
use crate::pg::tree::ListRef;
use crate::planner::fragment::grouping::group::Needs;
use crate::planner::fragment::info::Fragment;
use crate::planner::fragment::path::{self, Grouped};
use crate::planner::fragment::query::Grouping;
use pgrx::pg_sys::{AggSplit, AggStrategy, SortGroupClause, UpperRelationKind};

/// Adds a final aggregation over the nodes' parts, hashed and sorted as far as possible.
pub fn add<'a>(
    planner: Planner<'a>,
    output: Rel<'a>,
    fragment: &'a Fragment<'a>,
    needs: &Needs<'a>,
    parts: Target<'a>,
) {
    let parts = planner.measured(parts);
    let stage = UpperRelationKind::UPPERREL_PARTIAL_GROUP_AGG;
    let rel = planner.upper_rel(stage, output.relids());
    rel.set_target(parts);
    let clause = needs.clause;
    let partial = path::grouped(
        rel,
        &Grouped {
            fragment,
            columns: parts,
            target: parts,
            grouping: Grouping {
                clause,
                having: None,
            },
            local_conditions: ListRef::empty(),
            rows: path::rows_of_parts(fragment, parts, needs.groups),
        },
    );
    let last_step = Aggregation {
        clause,
        having: needs.having,
        split: AggSplit::AGGSPLIT_FINAL_DESERIAL,
        target: output.target(),
        costs: Some(planner.costs_of_combining()),
        groups: needs.groups,
    };
    let finish = |input: PathRef<'a>, strategy: AggStrategy::Type| {
        output.add_path(planner.aggregated(output, input, strategy, &last_step));
    };
    if clause.is_empty() {
        finish(partial, AggStrategy::AGG_PLAIN);
        return;
    }
    if is_hashable(clause) {
        finish(partial, AggStrategy::AGG_HASHED);
    }
    if is_sortable(clause) {
        let order = planner.order_of_groups();
        let sorted = planner.sorted(output, partial, order, None).giving(parts);
        finish(sorted, AggStrategy::AGG_SORTED);
    }
}

/// Adds the rows of `partial` without what comes twice by `clause`, hashed and sorted as far as possible.
pub fn add_distinct<'a>(
    planner: Planner<'a>,
    output: Rel<'a>,
    partial: PathRef<'a>,
    clause: ListRef<'a, SortGroupClause>,
    groups: f64,
) {
    let target = partial.target();
    if is_hashable(clause) {
        let once = Aggregation {
            clause,
            having: ListRef::empty(),
            split: AggSplit::AGGSPLIT_SIMPLE,
            target,
            costs: None,
            groups,
        };
        output.add_path(planner.aggregated(output, partial, AggStrategy::AGG_HASHED, &once));
    }
    let order = planner.order_of_distinct();
    if is_sortable(clause) && !order.is_empty() {
        let sorted = planner.sorted(output, partial, order, None).giving(target);
        let unique = planner.unique(output, sorted, order.len(), groups);
        output.add_path(unique.giving(target));
    }
}
