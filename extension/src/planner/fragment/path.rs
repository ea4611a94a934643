//! Fragments among the planner's paths, and from a path to a plan.

use crate::pg::catalog;
use crate::pg::planner::custom_path::custom_path;
use crate::pg::planner::root::signed;
use crate::pg::planner::{PathRef, PlannedByUs, Planner, Rel, Target};
use crate::pg::tree::{build, copy, list_of, make, ListRef, NodeRef};
use crate::plan::fragment::Plan as ScanPlan;
use crate::plan::text::deparse;
use crate::planner::fragment::info::Fragment;
use crate::planner::fragment::query::{self, Grouping};
use crate::planner::fragment::top::Top;
use crate::planner::fragment::{cost, target};
use crate::scan::decode::binary_ready;
use crate::scan::fragment_scan;
use expanse_core::fragment::cost::partial_groups;
use pgrx::pg_sys::{CustomScan, Node, Oid, TargetEntry, Var, CUSTOMPATH_SUPPORT_PROJECTION};
use std::ffi::CStr;

/// What the nodes are asked for.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub fragment: &'a Fragment<'a>,
    /// What they deliver, with the sort-group references of grouping columns.
    pub columns: Target<'a>,
    pub grouping: Option<Grouping<'a>>,
    pub top: Option<Top<'a>>,
    /// The coordinator's conditions over the delivered columns.
    pub local_conditions: ListRef<'a, Node>,
}

/// Adds the path of a table.
pub fn add_scan<'a>(rel: Rel<'a>, relation: Oid, fragment: &'a Fragment<'a>) {
    add_rows(rel, fragment, user_columns(rel, relation, fragment));
}

/// Adds the path of a join.
pub fn add_join<'a>(rel: Rel<'a>, fragment: &'a Fragment<'a>) {
    add_rows(rel, fragment, target::of_columns(fragment.columns.iter()));
}

fn add_rows<'a>(rel: Rel<'a>, fragment: &'a Fragment<'a>, columns: Target<'a>) {
    let request = Request {
        fragment,
        columns,
        grouping: None,
        top: None,
        local_conditions: fragment.local_conditions,
    };
    let estimate = cost::fetch(&fragment.figures, rel.rows, rel.target().width);
    rel.add_path(custom_path(rel, rel.target(), estimate, request));
}

/// A grouping that the nodes do: `columns` are delivered, `target` is computed from them.
pub struct Grouped<'a> {
    pub fragment: &'a Fragment<'a>,
    pub columns: Target<'a>,
    pub target: Target<'a>,
    pub grouping: Grouping<'a>,
    pub local_conditions: ListRef<'a, Node>,
    pub rows: f64,
}

/// The path of a grouping, to be added or used as an input.
pub fn grouped<'a>(rel: Rel<'a>, grouped: &Grouped<'a>) -> PathRef<'a> {
    let request = Request {
        fragment: grouped.fragment,
        columns: grouped.columns,
        grouping: Some(grouped.grouping),
        top: None,
        local_conditions: grouped.local_conditions,
    };
    let count = grouped.columns.expressions().len();
    let width = grouped.columns.width;
    let estimate = cost::group(&grouped.fragment.figures, count, grouped.rows, width);
    custom_path(rel, grouped.target, estimate, request)
}

/// Rows of partial groups, when there are `groups` in all.
pub fn rows_of_parts(fragment: &Fragment<'_>, columns: Target<'_>, groups: f64) -> f64 {
    let computed =
        |(expression, reference): (NodeRef<'_>, _)| reference > 0 && !expression.is::<Var>();
    partial_groups(&fragment.figures, groups, columns.columns().any(computed))
}

/// The path of the first rows of an order, to be sorted here: `columns` are delivered, `target` is computed from them.
pub fn top<'a>(
    rel: Rel<'a>,
    fragment: &'a Fragment<'a>,
    columns: ListRef<'a, Var>,
    target: Target<'a>,
    top: Top<'a>,
) -> PathRef<'a> {
    let request = Request {
        fragment,
        columns: target::of_columns(columns.iter()),
        grouping: None,
        top: Some(top),
        local_conditions: ListRef::empty(),
    };
    let estimate = cost::top(&fragment.figures, top.rows, target.width);
    custom_path(rel, target, estimate, request)
}

impl PlannedByUs for Request<'_> {
    const NAME: &'static CStr = c"Fragments";

    fn plan<'p>(
        &'p self,
        planner: Planner<'p>,
        rel: Rel<'p>,
        targets: ListRef<'p, TargetEntry>,
    ) -> NodeRef<'p, CustomScan>
    where
        Self: 'p,
    {
        let fragment = self.fragment;
        let columns = self.columns.expressions();
        let built = query::build(planner, self);
        let about = ScanPlan {
            sql: deparse(copy(built.query)),
            group: fragment.group,
            user: fragment.user.to_u32(),
            attributes: if rel.is_table() {
                attributes(columns)
            } else {
                Vec::new()
            },
            binary: binary(columns),
        };
        let mut scan = make::<CustomScan>();
        scan.methods = fragment_scan::FRAGMENTS.table();
        scan.flags = CUSTOMPATH_SUPPORT_PROJECTION;
        scan.scan.plan.targetlist = targets.as_ptr();
        scan.scan.plan.qual = self.local_conditions.copied().as_ptr();
        scan.custom_exprs = built.params.as_ptr();
        scan.custom_private = about.store(built.query).as_ptr();
        scan.custom_relids = fragment.members.as_ptr();
        if rel.is_table() {
            scan.scan.scanrelid = rel.relid;
        } else {
            scan.custom_scan_tlist = delivered(columns).as_ptr();
        }
        scan.into_ref()
    }
}

/// The columns of a table that are to be fetched; all of them for a whole row.
fn user_columns<'a>(rel: Rel<'a>, relation: Oid, fragment: &Fragment<'a>) -> Target<'a> {
    if fragment.columns.iter().all(|column| column.varattno != 0) {
        let columns = fragment.columns.iter();
        return target::of_columns(columns.filter(|column| column.varattno > 0));
    }
    let all = catalog::columns(relation).into_iter();
    target::of_columns(
        all.filter(|column| !column.dropped)
            .map(|column| build::var(signed(rel.relid), column.number, column.of)),
    )
}

/// The attributes of a table that its columns are.
fn attributes(columns: ListRef<'_, Node>) -> Vec<i16> {
    let columns = columns.iter().filter_map(|column| column.cast::<Var>());
    columns.map(|column| column.varattno).collect()
}

/// Binary results where the type has the same OID on every node.
fn binary(columns: ListRef<'_, Node>) -> bool {
    columns
        .iter()
        .all(|column| binary_ready(column.expression_type()))
}

/// The target list of what the nodes deliver.
fn delivered<'a>(columns: ListRef<'a, Node>) -> ListRef<'a, TargetEntry> {
    list_of(
        columns
            .copied()
            .iter()
            .enumerate()
            .map(|(index, column)| build::target(column, build::number_of(index), None).into_ref()),
    )
}
