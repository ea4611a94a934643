//! INSERT of rows computed here: several rows, rows of a query, rows with volatile defaults.
//!
//! # How it works
//! PostgreSQL plans the INSERT as if local. **Route Rows** is put between its ModifyTable and the rows' source: it keeps the rows
//! of this node and batches the others by node. **Distribute** is put on top: when the rows have run out it waits for the
//! other nodes, adds their counts and gives what they return. The text for other nodes is the same INSERT with
//! one row of parameters, which the executor replaces by rows of literals. What ON CONFLICT and RETURNING say about the moment or
//! the session is computed here and sent as `$1`, `$2`, ...

use crate::error::Error;
use crate::metadata::cache::Metadata;
use crate::pg::catalog::{column_name, column_type, columns};
use crate::pg::tree::build::{from, parameter, target as target_entry};
use crate::pg::tree::{copy, list_of, ListRef, NodeMut, NodeRef};
use crate::plan::deparse::{
    calls_volatile_of_node, deparse, finish_expressions, may_read_tables, parameterize,
};
use crate::plan::distribution::Distribution;
use crate::plan::private;
use crate::plan::statement;
use crate::plan::statement::same_in_binary;
use crate::planner::facts::places;
use crate::planner::refusals;
use crate::scan::distribute_scan;
use expanse_core::statement::{check_insertion, Insertion, Table, Target};
use pgrx::pg_sys::{
    CmdType, Const, CustomScan, ModifyTable, Oid, OverridingKind, Plan as PgPlan, PlannedStmt,
    Query, RTEKind, RangeTblEntry, TargetEntry,
};

/// What [`wrap`] needs to know.
pub struct Plan {
    distribution: Distribution,
    /// Expressions of `$1`, `$2`, ... behind the rows.
    parameters: ListRef<'static>,
}

/// Writes the text for the nodes that get rows. Refuses (raises) what they would do differently once they have the rows.
pub fn prepare(query: NodeRef<'_, Query>, target: &Target, metadata: &Metadata) -> Plan {
    let replicated = target.table == Table::Replicated;
    let (rest, parameters) = without_rows(query, replicated);
    let insertion = left_to_nodes(query, rest.as_ref());
    if let Some(refusal) = check_insertion(&insertion, target) {
        refusals::raise(&refusal, metadata);
    }
    let columns = sent_columns(Oid::from(target.relation));
    let (before, behind) = template(rest, &columns, parameters.len());
    Plan {
        distribution: Distribution {
            before,
            behind,
            columns,
            key: match target.table {
                Table::Distributed { column, group } => Some((column, group)),
                Table::Replicated => None,
            },
            binary: query.returning().iter().all(travels_in_binary),
        },
        parameters,
    }
}

fn travels_in_binary(entry: NodeRef<'_, TargetEntry>) -> bool {
    entry
        .expression()
        .is_some_and(|expression| same_in_binary(expression.expression_type()))
}

/// What the query's ON CONFLICT and RETURNING do on the nodes; `rest` is the query without its rows.
fn left_to_nodes(query: NodeRef<'_, Query>, rest: NodeRef<'_, Query>) -> Insertion {
    let conflict = query.on_conflict();
    let conflict_reads = conflict.is_some_and(|conflict| conflict.node().has_sublink());
    let mut returned = query.returning().iter();
    Insertion {
        sublink: conflict_reads || returned.any(|entry| entry.node().has_sublink()),
        volatile_conflict: rest
            .on_conflict()
            .is_some_and(|conflict| conflict.node().is_volatile()),
        bound_to_node: calls_volatile_of_node(rest),
        may_read_tables: may_read_tables(rest),
        system_columns: places::are_used(rest),
    }
}

/// The columns whose values are sent: not dropped, not generated.
fn sent_columns(relation: Oid) -> Vec<i16> {
    columns(relation)
        .iter()
        .filter(|column| !column.dropped && !column.generated)
        .map(|column| column.number)
        .collect()
}

/// A copy of the INSERT without its rows and their sources, and the expressions of its parameters. What a replicated table
/// returns is this node's.
fn without_rows(
    query: NodeRef<'_, Query>,
    replicated: bool,
) -> (NodeMut<'static, Query>, ListRef<'static>) {
    let mut rest = copy(query);
    let kept = [
        query.resultRelation,
        query
            .on_conflict()
            .map_or(0, |conflict| conflict.exclRelIndex),
    ];
    let entries = rest.children(|query| query.range_table());
    for (mut entry, index) in entries.into_iter().zip(1..) {
        if !kept.contains(&index) {
            neutralize(&mut entry);
        }
    }
    rest.jointree = from([], None).as_ptr();
    rest.cteList = std::ptr::null_mut();
    rest.hasSubLinks = false;
    rest.withCheckOptions = std::ptr::null_mut();
    rest.targetList = std::ptr::null_mut();
    if replicated {
        rest.returningList = std::ptr::null_mut();
    }
    parameterize(rest)
}

fn neutralize(entry: &mut NodeMut<'_, RangeTblEntry>) {
    entry.rtekind = RTEKind::RTE_RESULT;
    entry.subquery = std::ptr::null_mut();
    entry.values_lists = std::ptr::null_mut();
    entry.functions = std::ptr::null_mut();
}

/// The INSERT with one row of parameters, numbered after the `first` ones, cut at that row.
fn template(mut rest: NodeMut<'_, Query>, columns: &[i16], first: usize) -> (String, String) {
    rest.override_ = OverridingKind::OVERRIDING_SYSTEM_VALUE;
    let row = row_of_parameters(rest.as_ref(), columns, first);
    rest.targetList = row.as_ptr();
    let text = deparse(rest);
    let row: Vec<String> = (1..=columns.len())
        .map(|number| format!("${}", first + number))
        .collect();
    let marker = format!("VALUES ({})", row.join(", "));
    match text.split_once(&marker) {
        Some((before, behind)) => (format!("{before}VALUES "), behind.to_owned()),
        None => Error::Internal(format!("no row of values in \"{text}\"")).raise(),
    }
}

fn row_of_parameters<'a>(
    query: NodeRef<'_, Query>,
    columns: &[i16],
    first: usize,
) -> ListRef<'a, TargetEntry> {
    let target = query.result_entry();
    let relation = target.expect("the target is in the range table").relid;
    list_of(columns.iter().zip(first..).map(|(&column, index)| {
        let value = parameter(index as i32 + 1, column_type(relation, column));
        let name = column_name(relation, column);
        target_entry(value.node(), column, Some(&name)).into_ref()
    }))
}

/// Puts Route Rows between ModifyTable and its source, and Distribute on top.
pub fn wrap(stmt: &mut NodeMut<'_, PlannedStmt>, plan: &Plan) {
    let insert = stmt.commandType == CmdType::CMD_INSERT;
    let modify = stmt.child::<PgPlan>(|stmt| {
        stmt.plan()
            .filter(|plan| insert && plan.node().is::<ModifyTable>())
    });
    let Some(mut modify) = modify else {
        Error::Internal("the plan of an INSERT has another shape".into()).raise()
    };
    let source = modify.as_ref().outer_plan();
    let source = source.expect("the rows of an INSERT have a plan");
    let mut spread = statement::custom_scan(source, distribute_scan::ROUTE_ROWS.table());
    keep_dropped_columns(&mut spread, source);
    spread.custom_private = private::to_list(&plan.distribution).as_ptr();
    spread.custom_exprs = finish_expressions(plan.parameters).as_ptr();
    let below = spread.as_ptr().cast();
    modify.lefttree = below;
    let methods = distribute_scan::DISTRIBUTE.table();
    let mut top = statement::custom_scan(modify.as_ref(), methods);
    top.custom_private = private::to_list(&plan.distribution).as_ptr();
    let top = top.as_ptr().cast();
    stmt.planTree = top;
}

/// ModifyTable wants to see the NULL constants of dropped columns themselves.
fn keep_dropped_columns(spread: &mut NodeMut<'_, CustomScan>, source: NodeRef<'_, PgPlan>) {
    let own = spread.children(|scan| scan.targets());
    for (mut own, below) in own.into_iter().zip(source.targets().iter()) {
        if below.expression().is_some_and(|value| value.is::<Const>()) {
            own.expr = below.expr;
        }
    }
}
