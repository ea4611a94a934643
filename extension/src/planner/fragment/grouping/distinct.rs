//! SELECT DISTINCT: each node delivers each of its rows once, and what several nodes have is made one here.

use crate::pg::planner::target::has_reference;
use crate::pg::planner::{Planner, Rel};
use crate::pg::tree::ListRef;
use crate::planner::fragment::grouping::combine;
use crate::planner::fragment::info::Fragment;
use crate::planner::fragment::path::{self, Grouped};
use crate::planner::fragment::query::Grouping;
use crate::planner::fragment::shippable::shippable;

/// Adds the distinct rows of a fragment.
pub fn consider<'a>(planner: Planner<'a>, input: Rel<'a>, output: Rel<'a>) {
    let Some(fragment) = Fragment::complete(planner, input) else {
        return;
    };
    let query = planner.query();
    if query.hasDistinctOn || query.hasTargetSRFs {
        return;
    }
    let target = input.target();
    let clause = query.distinct();
    let fitting = target.columns().all(|(expression, reference)| {
        has_reference(clause, reference)
            && shippable(expression, fragment.members)
            && expression.has_columns()
    });
    if !fitting || target.expressions().len() < clause.len() {
        return;
    }
    let expressions = planner.expressions_of(clause);
    let groups = planner.estimate_groups(expressions, fragment.figures.rows);
    let partial = path::grouped(
        output,
        &Grouped {
            fragment,
            columns: target,
            target,
            grouping: Grouping {
                clause,
                having: None,
            },
            local_conditions: ListRef::empty(),
            rows: path::rows_of_parts(fragment, target, groups),
        },
    );
    combine::add_distinct(planner, output, partial, clause, groups);
}
