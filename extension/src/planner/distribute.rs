//! INSERT of rows computed here: several rows, rows of a query, rows with volatile defaults.
//!
//! # How it works
//! PostgreSQL plans the INSERT as if local. **Spread** is put between its ModifyTable and the rows' source: it keeps the rows
//! of this node and batches the others by node. **Distribute** is put on top: when the rows have run out it waits for the
//! other nodes, adds their counts and gives what they return. The text for other nodes is the same INSERT with
//! one row of parameters, which the executor replaces by rows of literals. What ON CONFLICT and RETURNING say about the moment or
//! the session is computed here and sent as `$1`, `$2`, ...

use crate::metadata::cache::{Metadata, TableKind};
use crate::pg::list::nodes;
use crate::plan::deparse::{
    deparse, finish_expressions, parameterize, reads_unseen, volatile_here,
};
use crate::plan::distribution::Distribution;
use crate::plan::statement;
use crate::plan::statement::same_in_binary;
use crate::planner::modify;
use crate::planner::refusals::uses_system_columns;
use crate::planner::tables::Mentions;
use crate::scan::distribute_scan;
use pgrx::pg_sys::{self, CmdType, CustomScan, List, Node, PlannedStmt, Query, RangeTblEntry};

/// What [`wrap`] needs to know.
pub struct Plan {
    distribution: Distribution,
    /// Expressions of `$1`, `$2`, ... behind the rows.
    parameters: *mut List,
}

/// Is a distributed or replicated table inserted into? Refuses (raises) what can not be done right.
pub fn consider(query: *mut Query, mentions: &Mentions, metadata: &Metadata) -> Option<Plan> {
    let _ = mentions;
    let (name, table) = modify::target(query, metadata)?;
    // SAFETY: PostgreSQL's analysed query tree.
    let uses_own_tables = unsafe {
        let conflict: *mut Node = (*query).onConflict.cast();
        pg_sys::checkExprHasSubLink(conflict)
            || pg_sys::checkExprHasSubLink((*query).returningList.cast())
    };
    if uses_own_tables {
        modify::refuse(
            &name,
            "a subquery in ON CONFLICT or RETURNING of an INSERT of several rows",
            "Read in a statement of its own, in the same transaction.",
        );
    }
    let columns = sent_columns(table.relation);
    let replicated = matches!(table.kind, TableKind::Replicated);
    let (rest, parameters) = without_rows(query, replicated);
    check_rest(rest, &name, replicated);
    let first = nodes::<Node>(parameters).count();
    let (before, behind) = template(rest, &columns, first);
    let key = match &table.kind {
        TableKind::Distributed { column, .. } => Some((*column, table.group)),
        TableKind::Replicated => None,
    };
    // SAFETY: the analysed query's list.
    let returned = unsafe { (*query).returningList };
    let binary = nodes::<pg_sys::TargetEntry>(returned)
        // SAFETY: expressions of the analysed query.
        .all(|entry| same_in_binary(unsafe { pg_sys::exprType((*entry).expr.cast()) }));
    Some(Plan {
        distribution: Distribution {
            before,
            behind,
            columns,
            key,
            binary,
        },
        parameters,
    })
}

/// Refuses (raises) what the other nodes would do differently once they have the rows: the query's ON CONFLICT and RETURNING.
fn check_rest(rest: *mut Query, name: &str, replicated: bool) {
    // SAFETY: a query of ours.
    let volatile = unsafe { pg_sys::contain_volatile_functions((*rest).onConflict.cast()) };
    let differs = volatile || reads_unseen(rest) || uses_system_columns(rest);
    if replicated && differs {
        modify::refuse_on(
            "replicated",
            name,
            "INSERT with an ON CONFLICT that may come out differently on each node",
            "Compute the value first and pass it on.",
        );
    }
    if volatile_here(rest) {
        modify::refuse(
            name,
            "INSERT with a volatile function in ON CONFLICT or RETURNING",
            "Compute the value first and pass it on.",
        );
    }
    if reads_unseen(rest) {
        modify::refuse(
            name,
            "INSERT with a function that may read tables in ON CONFLICT or RETURNING",
            "Mark the function IMMUTABLE if it reads none, or compute the value first and pass it on.",
        );
    }
}

/// The columns whose values are sent: not dropped, not generated.
fn sent_columns(relation: pg_sys::Oid) -> Vec<i16> {
    // SAFETY: the relation is locked by the analysis of the query; it is closed again, the lock stays.
    unsafe {
        let relation = pg_sys::table_open(relation, pg_sys::NoLock as i32);
        let descriptor = (*relation).rd_att;
        let count = (*descriptor).natts as usize;
        let attributes = std::slice::from_raw_parts((*descriptor).attrs.as_ptr(), count);
        let columns = attributes
            .iter()
            .filter(|a| !a.attisdropped && a.attgenerated == 0)
            .map(|a| a.attnum)
            .collect();
        pg_sys::table_close(relation, pg_sys::NoLock as i32);
        columns
    }
}

/// A copy of the INSERT without its rows and their sources, and the expressions of its parameters. What a replicated table
/// returns is this node's.
fn without_rows(query: *mut Query, replicated: bool) -> (*mut Query, *mut List) {
    // SAFETY: the copy is ours to change.
    unsafe {
        let copy: *mut Query = pg_sys::copyObjectImpl(query.cast()).cast();
        let excluded = if (*copy).onConflict.is_null() {
            0
        } else {
            (*(*copy).onConflict).exclRelIndex
        };
        for (index, rte) in nodes::<RangeTblEntry>((*copy).rtable).enumerate() {
            let index = index as i32 + 1;
            if index != (*copy).resultRelation && index != excluded {
                neutralize(rte);
            }
        }
        (*copy).jointree = pg_sys::makeFromExpr(std::ptr::null_mut(), std::ptr::null_mut());
        (*copy).cteList = std::ptr::null_mut();
        (*copy).hasSubLinks = false;
        (*copy).withCheckOptions = std::ptr::null_mut();
        (*copy).targetList = std::ptr::null_mut();
        if replicated {
            (*copy).returningList = std::ptr::null_mut();
        }
        parameterize(copy)
    }
}

/// The INSERT with one row of parameters, numbered after the `first` ones, cut at that row.
fn template(rest: *mut Query, columns: &[i16], first: usize) -> (String, String) {
    // SAFETY: the query is ours to change; new nodes are palloc'd.
    unsafe {
        (*rest).override_ = pg_sys::OverridingKind::OVERRIDING_SYSTEM_VALUE;
        (*rest).targetList = parameters(rest, columns, first);
        let text = deparse(rest);
        let row: Vec<String> = (1..=columns.len())
            .map(|n| format!("${}", first + n))
            .collect();
        let marker = format!("VALUES ({})", row.join(", "));
        match text.split_once(&marker) {
            Some((before, behind)) => (format!("{before}VALUES "), behind.to_owned()),
            None => {
                crate::error::Error::Internal(format!("no row of values in \"{text}\"")).raise()
            }
        }
    }
}

unsafe fn neutralize(rte: *mut RangeTblEntry) {
    // SAFETY: an entry of our copy.
    unsafe {
        (*rte).rtekind = pg_sys::RTEKind::RTE_RESULT;
        (*rte).subquery = std::ptr::null_mut();
        (*rte).values_lists = std::ptr::null_mut();
        (*rte).functions = std::ptr::null_mut();
    }
}

unsafe fn parameters(query: *mut Query, columns: &[i16], first: usize) -> *mut List {
    // SAFETY: the result relation is in the range table; attributes exist.
    unsafe {
        let relation = (*nodes::<RangeTblEntry>((*query).rtable)
            .nth((*query).resultRelation as usize - 1)
            .expect("the target is in the range table"))
        .relid;
        let mut list = std::ptr::null_mut();
        for (index, &column) in columns.iter().enumerate() {
            let (mut type_oid, mut typmod, mut collation) =
                (pg_sys::InvalidOid, 0, pg_sys::InvalidOid);
            pg_sys::get_atttypetypmodcoll(
                relation,
                column,
                &mut type_oid,
                &mut typmod,
                &mut collation,
            );
            let param =
                pg_sys::palloc0(std::mem::size_of::<pg_sys::Param>()).cast::<pg_sys::Param>();
            (*param).xpr.type_ = pg_sys::NodeTag::T_Param;
            (*param).paramkind = pg_sys::ParamKind::PARAM_EXTERN;
            (*param).paramid = (first + index) as i32 + 1;
            (*param).paramtype = type_oid;
            (*param).paramtypmod = typmod;
            (*param).paramcollid = collation;
            (*param).location = -1;
            let name = pg_sys::get_attname(relation, column, false);
            list = pg_sys::lappend(
                list,
                pg_sys::makeTargetEntry(param.cast(), column, name, false).cast(),
            );
        }
        list
    }
}

/// Puts Spread between ModifyTable and its source, and Distribute on top.
pub fn wrap(stmt: *mut PlannedStmt, plan: &Plan) {
    // SAFETY: the plan of an INSERT is a ModifyTable over one source.
    unsafe {
        let modify = (*stmt).planTree;
        if (*modify).type_ != pg_sys::NodeTag::T_ModifyTable
            || (*stmt).commandType != CmdType::CMD_INSERT
        {
            crate::error::Error::Internal("the plan of an INSERT has another shape".into()).raise();
        }
        let source = (*modify).lefttree;
        let spread = statement::custom_scan(source, distribute_scan::ROUTE_ROWS.as_ptr());
        keep_dropped_columns(spread, source);
        (*spread).custom_private = statement::private(&plan.distribution);
        (*spread).custom_exprs = finish_expressions(plan.parameters);
        (*modify).lefttree = spread.cast();
        let top = statement::custom_scan(modify, distribute_scan::DISTRIBUTE.as_ptr());
        (*top).custom_private = statement::private(&plan.distribution);
        (*stmt).planTree = top.cast();
    }
}

/// ModifyTable wants to see the NULL constants of dropped columns themselves.
unsafe fn keep_dropped_columns(spread: *mut CustomScan, source: *mut pg_sys::Plan) {
    // SAFETY: both lists have one entry a column.
    unsafe {
        let list = (*spread).scan.plan.targetlist;
        for (own, below) in nodes::<pg_sys::TargetEntry>(list)
            .zip(nodes::<pg_sys::TargetEntry>((*source).targetlist))
        {
            if crate::is_a!((*below).expr.cast::<Node>(), T_Const) {
                (*own).expr = (*below).expr;
            }
        }
    }
}
