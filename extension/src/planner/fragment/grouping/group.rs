//! Groupings: complete on the nodes, or partial there and combined here. [`expanse_core::fragment::grouping`] decides which.

use crate::pg::planner::target::has_reference;
use crate::pg::planner::{Planner, Rel, Target};
use crate::pg::tree::build::all_of;
use crate::pg::tree::{walk_list, ListRef, NodeRef, Step};
use crate::planner::fragment::grouping::{combine, partial};
use crate::planner::fragment::info::Fragment;
use crate::planner::fragment::path::{self, Grouped};
use crate::planner::fragment::query::Grouping;
use crate::planner::fragment::shippable::shippable_with_aggregates;
use expanse_core::fragment::grouping::{split, Split};
use pgrx::pg_sys::{Node, NodeTag, SortGroupClause};

/// What the grouping needs from below.
pub struct Needs<'a> {
    /// Grouping columns and aggregates.
    pub columns: Target<'a>,
    pub clause: ListRef<'a, SortGroupClause>,
    pub having: ListRef<'a, Node>,
    /// How many groups the planner expects.
    pub groups: f64,
}

/// Adds the groupings of a fragment.
pub fn consider<'a>(
    planner: Planner<'a>,
    input: Rel<'a>,
    output: Rel<'a>,
    having: ListRef<'a, Node>,
) {
    let Some(fragment) = Fragment::complete(planner, input) else {
        return;
    };
    let query = planner.query();
    if !query.grouping_sets().is_empty() || query.hasTargetSRFs {
        return;
    }
    let clause = query.group_clause();
    let Some(columns) = needed_columns(output.target(), having, clause) else {
        return;
    };
    let fitting = columns.columns().all(|(expression, reference)| {
        // One that is the same in every row would be a parameter, which nothing can be grouped by, and which the planner does
        // not look for below the grouping.
        shippable_with_aggregates(expression, fragment.members)
            && (reference == 0 || expression.has_columns())
    });
    if !fitting {
        return;
    }
    let needs = Needs {
        columns,
        clause,
        having,
        groups: groups(planner, fragment, clause),
    };
    let mut parts = None;
    let in_parts = || {
        parts = partial::target(columns);
        parts.is_some()
    };
    match (split(is_by_key(fragment, columns), in_parts), parts) {
        (Some(Split::Complete), _) => add_complete(output, fragment, &needs),
        (Some(Split::Partial), Some(parts)) => {
            combine::add(planner, output, fragment, &needs, parts);
        }
        _ => {}
    }
}

/// Grouping columns and aggregates of a target and of HAVING; `None` when something else is needed.
fn needed_columns<'a>(
    target: Target<'a>,
    having: ListRef<'a, Node>,
    clause: ListRef<'a, SortGroupClause>,
) -> Option<Target<'a>> {
    let columns = Target::empty();
    for (expression, reference) in target.columns() {
        if has_reference(clause, reference) {
            columns.push(expression, reference);
        }
    }
    if columns.expressions().len() < clause.len() {
        return None;
    }
    let mut visit = |node: NodeRef<'a>| {
        if columns.expressions().has_equal(node) {
            return Step::Over;
        }
        match node.tag() {
            NodeTag::T_Aggref => {
                columns.push(node, 0);
                Step::Over
            }
            NodeTag::T_Var
            | NodeTag::T_PlaceHolderVar
            | NodeTag::T_GroupingFunc
            | NodeTag::T_SubPlan
            | NodeTag::T_AlternativeSubPlan => Step::Stop,
            _ => Step::Into,
        }
    };
    let other = walk_list(target.expressions(), &mut visit) || walk_list(having, &mut visit);
    (!other).then_some(columns)
}

/// Is a distribution column that no outer join makes null among the grouping columns?
fn is_by_key(fragment: &Fragment<'_>, columns: Target<'_>) -> bool {
    columns
        .columns()
        .any(|(column, reference)| reference > 0 && fragment.keys_never_null.has_equal(column))
}

fn groups<'a>(
    planner: Planner<'a>,
    fragment: &Fragment<'a>,
    clause: ListRef<'a, SortGroupClause>,
) -> f64 {
    if clause.is_empty() {
        return 1.0;
    }
    planner.estimate_groups(planner.expressions_of(clause), fragment.figures.rows)
}

fn add_complete<'a>(output: Rel<'a>, fragment: &'a Fragment<'a>, needs: &Needs<'a>) {
    let on_nodes = needs
        .having
        .iter()
        .all(|condition| shippable_with_aggregates(condition, fragment.members));
    let (having, local_conditions) = if on_nodes {
        (all_of(needs.having), ListRef::empty())
    } else {
        (None, needs.having.copied())
    };
    let path = path::grouped(
        output,
        &Grouped {
            fragment,
            columns: needs.columns,
            target: output.target(),
            grouping: Grouping {
                clause: needs.clause,
                having,
            },
            local_conditions,
            rows: needs.groups,
        },
    );
    output.add_path(path);
}
