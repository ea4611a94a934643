//! From a fragment to the query that the nodes run.
//!
//! The query shares the numbering of the planner's range table, so that expressions fit without change. Entries that are not
//! the fragment's become empty ones, because the deparser looks at all of them.

pub mod expressions;
pub mod joins;

use crate::pg::planner::{Planner, Relids};
use crate::pg::tree::build::{self, all_of, pointer};
use crate::pg::tree::{copy, list_of, make, ListRef, NodeMut, NodeRef};
use crate::planner::fragment::path::Request;
use crate::planner::fragment::query::expressions::Expressions;
use pgrx::pg_sys::{
    AccessShareLock, CmdType, FromExpr, InvalidOid, LimitOption, Node, Query, RTEKind,
    RangeTblEntry, SortGroupClause, TargetEntry,
};

/// What is put on top of a fragment's rows.
#[derive(Clone, Copy)]
pub struct Grouping<'a> {
    pub clause: ListRef<'a, SortGroupClause>,
    pub having: Option<NodeRef<'a>>,
}

/// A query and what its parameters `$1`, `$2`, ... stand for.
pub struct Built<'a> {
    pub query: NodeRef<'a, Query>,
    pub params: ListRef<'a, Node>,
}

/// The query for what the nodes are asked for.
pub fn build<'a>(planner: Planner<'a>, request: &Request<'a>) -> Built<'a> {
    let fragment = request.fragment;
    let range_table = planner.query().range_table();
    let mut expressions = Expressions::new(range_table);
    let from = expressions.list(fragment.from);
    let conditions = expressions.list(fragment.remote_conditions);
    let mut query = select_from(range_table, from, all_of(conditions));
    let mut targets: Vec<NodeRef<'a, TargetEntry>> = Vec::new();
    for (column, reference) in request.columns.columns() {
        add_target(
            &mut targets,
            expressions.expression(column),
            reference,
            false,
        );
    }
    if let Some(grouping) = request.grouping {
        let having = grouping.having.map(|having| expressions.expression(having));
        query.groupClause = grouping.clause.copied().as_ptr();
        query.havingQual = pointer(having);
        let mut computed = targets.iter().filter_map(|target| target.expression());
        query.hasAggs =
            computed.any(NodeRef::has_aggregates) || having.is_some_and(NodeRef::has_aggregates);
    }
    if let Some(top) = request.top {
        for (clause, expression) in top.clauses.iter().zip(top.expressions.iter()) {
            let expression = expressions.expression(expression);
            add_target(&mut targets, expression, clause.tleSortGroupRef, true);
        }
        query.sortClause = top.clauses.copied().as_ptr();
        query.limitCount = build::int8(top.rows).node().as_ptr();
        query.limitOption = LimitOption::LIMIT_OPTION_COUNT;
    }
    query.targetList = list_of(targets).as_ptr();
    Built {
        query: query.into_ref(),
        params: expressions.params(),
    }
}

fn add_target<'a>(
    targets: &mut Vec<NodeRef<'a, TargetEntry>>,
    expression: NodeRef<'a>,
    reference: u32,
    hidden: bool,
) {
    let mut target = build::target(expression, build::number_of(targets.len()), None);
    target.ressortgroupref = reference;
    target.resjunk = hidden;
    targets.push(target.into_ref());
}

/// A SELECT that still has no columns, with the items of FROM numbered by their entries in the planner's range table.
fn select_from<'a>(
    range_table: ListRef<'a, RangeTblEntry>,
    from: ListRef<'a, Node>,
    conditions: Option<NodeRef<'a>>,
) -> NodeMut<'a, Query> {
    let mut entries = entries_of(range_table, Relids::of_from(from));
    let mut tree = make::<FromExpr>();
    tree.fromlist = joins::number(from, &mut entries).as_ptr();
    tree.quals = pointer(conditions);
    let tree = tree.into_ref();
    let mut query = make::<Query>();
    query.commandType = CmdType::CMD_SELECT;
    query.canSetTag = true;
    query.stmt_location = -1;
    query.rtable = list_of(entries).as_ptr();
    query.jointree = tree.as_ptr();
    query.hasSubLinks = tree.node().has_sublink();
    query
}

/// The planner's range table with everything but `members` replaced by empty entries.
fn entries_of<'a>(
    range_table: ListRef<'a, RangeTblEntry>,
    members: Relids<'a>,
) -> Vec<NodeRef<'a, RangeTblEntry>> {
    let entries = range_table.iter().zip(1..);
    entries
        .map(|(entry, index)| {
            if members.contains(index) {
                table_entry(entry)
            } else {
                empty_entry(RTEKind::RTE_RESULT, []).into_ref()
            }
        })
        .collect()
}

/// Privileges and row security are checked by the plan around it (here) or by the node itself.
fn table_entry<'a>(entry: NodeRef<'a, RangeTblEntry>) -> NodeRef<'a, RangeTblEntry> {
    let mut entry = copy(entry);
    entry.securityQuals = std::ptr::null_mut();
    entry.requiredPerms = 0;
    entry.checkAsUser = InvalidOid;
    entry.inh = true;
    entry.inFromCl = true;
    entry.rellockmode = AccessShareLock as i32;
    entry.into_ref()
}

/// An entry that stands for nothing of the user's, with the names of its columns.
fn empty_entry<'a, 'n>(
    kind: RTEKind::Type,
    columns: impl IntoIterator<Item = &'n std::ffi::CStr>,
) -> NodeMut<'a, RangeTblEntry> {
    let mut entry = make::<RangeTblEntry>();
    entry.rtekind = kind;
    entry.eref = build::alias(c"unused", columns).as_ptr();
    entry
}
