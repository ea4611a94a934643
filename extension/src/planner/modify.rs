//! Writes that run as statements on several nodes.

use crate::error::Error;
use crate::metadata::cache::{Metadata, Table, TableKind};
use crate::pg::entry::guarded;
use crate::pg::list::nodes;
use crate::pg::raw;
use crate::pg::tree::NodeRef;
use crate::plan::deparse::{calls_volatile_of_node, deparse_for_remote, RemoteQuery};
use crate::plan::statement::Place;
use crate::planner::exchange;
use crate::planner::exchange::Taken;
use crate::planner::key_equality;
use crate::planner::key_equality::Key;
use crate::planner::local_only;
use crate::planner::refusals::{tells_by_place, uses_system_columns};
use crate::planner::tables::Mentions;
use crate::planner::wrap;
use crate::planner::wrap::Plan;
use pgrx::pg_sys::{self, CmdType, PlannedStmt, Query, RangeTblEntry};
use std::ffi::CStr;

/// Can the statement run as it is on every owner? Refuses (raises) what can be done neither so nor otherwise.
pub fn consider(query: *mut Query, mentions: &Mentions, metadata: &Metadata) -> Option<Plan> {
    let target = target(query, metadata)?;
    // SAFETY: PostgreSQL's analysed query tree.
    let (command, modifying_cte) = unsafe { ((*query).commandType, (*query).hasModifyingCTE) };
    if modifying_cte || mentions.all().filter(|m| m.written).count() > 1 {
        refuse(
            &target.0,
            "a statement that writes in several places",
            "Write one table at a time, in a transaction.",
        );
    }
    // SAFETY: walks the analysed tree.
    let volatile = unsafe { pg_sys::contain_volatile_functions(query.cast()) };
    match &target.1.kind {
        TableKind::Replicated => replicated(query, mentions, metadata, &target.0),
        TableKind::Distributed { column, .. } if command == CmdType::CMD_INSERT => {
            let together = insert_together(query, metadata, &target.1, *column);
            (together && !volatile && !local_only(query, metadata) && !ship(query).may_read_tables)
                .then(|| {
                    add_ownership_to_source(query, metadata);
                    owners(query, &target.1, Taken::default())
                })
        }
        TableKind::Distributed { .. } => Some(distributed(query, metadata, &target.0, &target.1)),
    }
}

/// UPDATE, DELETE or MERGE of a distributed table: as a statement on all owners, with what lies elsewhere sent along.
fn distributed(query: *mut Query, metadata: &Metadata, name: &str, target: &Table) -> Plan {
    let TableKind::Distributed { column, .. } = &target.kind else {
        Error::Internal(format!("\"{name}\" is not distributed")).raise()
    };
    // SAFETY: PostgreSQL's analysed query tree.
    let anchor = unsafe { ((*query).resultRelation as u32, *column) };
    let lies_here = |query| {
        let key = key_equality::common_key(query, metadata, Some(anchor));
        !local_only(query, metadata) && matches!(key, Some(Key::Anchor))
    };
    let mut taken = Taken::default();
    if !lies_here(query) {
        match exchange::take(query, metadata, Some(anchor)) {
            Some(found) if lies_here(query) => taken = found,
            _ => refuse(
                name,
                "a write that needs whole rows, system columns or a recursive query of other nodes",
                "Name the columns that are needed, or read them first, in the same transaction.",
            ),
        }
    }
    if tells_by_place(query) {
        refuse(
            name,
            "UPDATE or DELETE of rows by a system column",
            "Rows of a distributed table live on several nodes: name them by their key.",
        );
    }
    // SAFETY: PostgreSQL's analysed query tree.
    if calls_volatile_of_node(unsafe { NodeRef::present(query) }) {
        refuse(
            name,
            "UPDATE or DELETE with a volatile function",
            "Compute the value first and pass it on.",
        );
    }
    if let Err((what, hint)) = crate::planner::merge::restrict(query, target, metadata) {
        refuse(name, what, hint);
    }
    crate::planner::ownership::add(query, anchor.0, target, metadata);
    let plan = owners(query, target, taken);
    if plan.remote.may_read_tables {
        refuse(
            name,
            "UPDATE or DELETE with a function that may read tables",
            "Mark the function IMMUTABLE if it reads none, or compute the value first and pass it on.",
        );
    }
    plan
}

fn owners(query: *mut Query, target: &Table, taken: Taken<'static>) -> Plan {
    Plan {
        place: Place::Owners {
            group: target.group,
        },
        writes: true,
        key: std::ptr::null_mut(),
        remote: ship(query),
        taken,
    }
}

/// The query as other nodes are to run it.
fn ship(query: *mut Query) -> RemoteQuery<'static> {
    // SAFETY: PostgreSQL's analysed query tree.
    deparse_for_remote(unsafe { NodeRef::present(query) })
}

/// A replicated table is written by the same statement everywhere, if it gives the same rows everywhere.
fn replicated(
    query: *mut Query,
    mentions: &Mentions,
    metadata: &Metadata,
    name: &str,
) -> Option<Plan> {
    // SAFETY: PostgreSQL's analysed query tree.
    let insert = unsafe { (*query).commandType } == CmdType::CMD_INSERT;
    let mut taken = Some(Taken::default());
    if !mentions.distributed.is_empty() || local_only(query, metadata) {
        // Rows to insert are computed here and sent, whatever they come from.
        taken = if insert {
            None
        } else {
            exchange::take(query, metadata, None)
        };
    }
    // SAFETY: reads the analysed tree.
    let volatile = unsafe { pg_sys::contain_volatile_functions(query.cast()) };
    let alike = !volatile
        && !local_only(query, metadata)
        && !uses_system_columns(query)
        // SAFETY: reads the analysed tree.
        && !unsafe { guarded(|| depends_on_order(query.cast(), std::ptr::null_mut())) };
    if let (true, Some(taken)) = (alike, taken) {
        let remote = ship(query);
        if !remote.may_read_tables {
            return Some(Plan {
                place: Place::Everywhere,
                writes: true,
                key: std::ptr::null_mut(),
                remote,
                taken,
            });
        }
    }
    if !insert {
        refuse_on(
            "replicated",
            name,
            "UPDATE or DELETE that may come out differently on each node",
            "Compute the values first and pass them on.",
        );
    }
    None
}

/// SELECT ... FOR UPDATE of replicated tables: every copy of the rows is locked, in the order in which writes lock them.
pub fn lock(query: *mut Query, metadata: &Metadata) -> Option<Plan> {
    // SAFETY: reads the analysed tree.
    let alike = unsafe {
        !pg_sys::contain_volatile_functions(query.cast())
            && !guarded(|| depends_on_order(query.cast(), std::ptr::null_mut()))
            && !(*query).hasModifyingCTE
    };
    if !alike || local_only(query, metadata) {
        return None;
    }
    let remote = ship(query);
    (!remote.may_read_tables).then_some(Plan {
        place: Place::Everywhere,
        writes: true,
        key: std::ptr::null_mut(),
        remote,
        taken: Taken::default(),
    })
}

/// LIMIT, DISTINCT ON and window functions choose by the order of the rows, which differs between copies of a table.
unsafe extern "C-unwind" fn depends_on_order(
    node: *mut pg_sys::Node,
    context: *mut std::ffi::c_void,
) -> bool {
    if node.is_null() {
        return false;
    }
    // SAFETY: a valid tree, read only.
    unsafe {
        if crate::is_a!(node, T_Query) {
            let query = node.cast::<Query>();
            return !(*query).limitCount.is_null()
                || !(*query).limitOffset.is_null()
                || (*query).hasDistinctOn
                || (*query).hasWindowFuncs
                || raw::query_tree_walker(query, depends_on_order, context, 0);
        }
        raw::expression_tree_walker(node, depends_on_order, context)
    }
}

/// INSERT ... SELECT whose rows are on the nodes they belong to already.
fn insert_together(query: *mut Query, metadata: &Metadata, target: &Table, column: i16) -> bool {
    // SAFETY: PostgreSQL's analysed query tree.
    unsafe {
        let entries: Vec<*mut RangeTblEntry> = nodes((*query).rtable).collect();
        let Some(entry) =
            nodes::<pg_sys::TargetEntry>((*query).targetList).find(|e| (**e).resno == column)
        else {
            return false;
        };
        let expression =
            crate::plan::casts::strip_relabel(NodeRef::present((*entry).expr.cast())).as_ptr();
        if !crate::is_a!(expression, T_Var) {
            return false;
        }
        let var = expression.cast::<pg_sys::Var>();
        let Some(&source) = entries.get((*var).varno as usize - 1) else {
            return false;
        };
        if (*source).rtekind != pg_sys::RTEKind::RTE_SUBQUERY
            || (*query).hasSubLinks
            || !(*query).cteList.is_null()
        {
            return false;
        }
        let select = (*source).subquery;
        let plain = (*select).groupClause.is_null()
            && !(*select).hasAggs
            && !(*select).hasWindowFuncs
            && (*select).distinctClause.is_null()
            && (*select).limitCount.is_null()
            && (*select).limitOffset.is_null()
            && (*select).setOperations.is_null();
        let Some(output) = nodes::<pg_sys::TargetEntry>((*select).targetList)
            .find(|e| (**e).resno == (*var).varattno)
        else {
            return false;
        };
        let inner =
            crate::plan::casts::strip_relabel(NodeRef::present((*output).expr.cast())).as_ptr();
        if !plain || !crate::is_a!(inner, T_Var) {
            return false;
        }
        let inner = inner.cast::<pg_sys::Var>();
        let Some(relation) =
            nodes::<RangeTblEntry>((*select).rtable).nth((*inner).varno as usize - 1)
        else {
            return false;
        };
        let from_key = (*relation).rtekind == pg_sys::RTEKind::RTE_RELATION
            && metadata.table((*relation).relid).is_some_and(|table| {
                table.group == target.group
                    && table.distribution_column() == Some((*inner).varattno)
            });
        let anchor = ((*inner).varno as u32, (*inner).varattno);
        from_key
            && matches!(
                key_equality::common_key(select, metadata, Some(anchor)),
                Some(Key::Anchor)
            )
    }
}

/// While the group moves, the source's rows that a node does not own must not be inserted twice.
fn add_ownership_to_source(query: *mut Query, metadata: &Metadata) {
    // SAFETY: PostgreSQL's analysed query tree; `insert_together` found a subquery over distributed tables.
    unsafe {
        for rte in nodes::<RangeTblEntry>((*query).rtable) {
            if (*rte).rtekind != pg_sys::RTEKind::RTE_SUBQUERY {
                continue;
            }
            let select = (*rte).subquery;
            for (index, inner) in nodes::<RangeTblEntry>((*select).rtable).enumerate() {
                if (*inner).rtekind == pg_sys::RTEKind::RTE_RELATION {
                    if let Some(table) = metadata.table((*inner).relid) {
                        crate::planner::ownership::add(select, index as u32 + 1, table, metadata);
                    }
                }
            }
        }
    }
}

/// The spread table that the query itself writes, with its name.
pub fn target(query: *mut Query, metadata: &Metadata) -> Option<(String, Table)> {
    // SAFETY: PostgreSQL's analysed query tree; get_rel_name gives a palloc'd name of an existing relation.
    unsafe {
        let index = (*query).resultRelation;
        let entry =
            nodes::<RangeTblEntry>((*query).rtable).nth((index as usize).checked_sub(1)?)?;
        let table = metadata.table((*entry).relid)?.clone();
        let name = CStr::from_ptr(pg_sys::get_rel_name((*entry).relid));
        Some((name.to_string_lossy().into_owned(), table))
    }
}

/// The kind of a table as messages name it.
pub fn kind_of(table: &Table) -> &'static str {
    match table.kind {
        TableKind::Distributed { .. } => "distributed",
        TableKind::Replicated => "replicated",
    }
}

/// Refuses a write that can not be done right.
pub fn refuse(relation: &str, what: &str, hint: &str) -> ! {
    refuse_on("distributed", relation, what, hint)
}

/// The same for a table of either kind.
pub fn refuse_on(kind: &'static str, relation: &str, what: &str, hint: &str) -> ! {
    Error::Unsupported {
        what: what.into(),
        kind,
        relation: relation.into(),
        hint: hint.into(),
    }
    .raise()
}

/// Puts Modify on top of the local plan.
pub fn wrap(stmt: *mut PlannedStmt, plan: &Plan) {
    wrap::wrap(stmt, plan);
}
