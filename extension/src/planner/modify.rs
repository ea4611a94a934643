//! Writes that run as statements on several nodes.

use crate::metadata::cache::{GroupId, Metadata, Table};
use crate::pg::tree::{NodeMut, NodeRef};
use crate::plan::deparse::deparse_for_remote;
use crate::plan::statement::Place;
use crate::planner::exchange::Exchange;
use crate::planner::merge;
use crate::planner::ownership;
use crate::planner::refusals::refuse;
use crate::planner::wrap::Plan;
use expanse_core::statement::Column;
use pgrx::pg_sys::{CmdType, Query, RTEKind};

/// The statement for the owners of the group's buckets: each does it to the rows that it owns. With `restrict`, each sees only
/// the rows of the source whose value in that column it owns.
pub fn on_owners(
    query: &mut NodeMut<'_, Query>,
    metadata: &Metadata,
    group: GroupId,
    restrict: Option<Column>,
    exchange: Exchange<'static>,
) -> Plan {
    if query.commandType == CmdType::CMD_INSERT {
        own_source(query, metadata);
    } else if let Some((rti, table)) = target(query.as_ref(), metadata) {
        if let Some(column) = restrict {
            if let Err((what, hint)) = merge::restrict(query, &table, column, metadata) {
                refuse(what, table.relation, hint, metadata);
            }
        }
        ownership::add(query, rti, &table, metadata);
    }
    Plan {
        place: Place::Owners { group },
        writes: true,
        key: None,
        remote: deparse_for_remote(query.as_ref()),
        exchange,
    }
}

/// The statement for every copy of replicated tables.
pub fn everywhere(query: NodeRef<'_, Query>, exchange: Exchange<'static>) -> Plan {
    Plan {
        place: Place::Everywhere,
        writes: true,
        key: None,
        remote: deparse_for_remote(query),
        exchange,
    }
}

/// While the group moves, rows of an INSERT's source that a node does not own must not be inserted twice.
fn own_source(query: &mut NodeMut<'_, Query>, metadata: &Metadata) {
    for mut entry in query.children(|query| query.range_table()) {
        if entry.rtekind != RTEKind::RTE_SUBQUERY {
            continue;
        }
        let Some(mut select) = entry.child(|entry| entry.subquery()) else {
            continue;
        };
        for (rti, table) in tables(select.as_ref(), metadata) {
            ownership::add(&mut select, rti, &table, metadata);
        }
    }
}

/// The distributed and replicated tables of a query's own FROM, by range table index.
fn tables(query: NodeRef<'_, Query>, metadata: &Metadata) -> Vec<(i32, Table)> {
    let entries = query.range_table().iter().zip(1..);
    entries
        .filter(|(entry, _)| entry.rtekind == RTEKind::RTE_RELATION)
        .filter_map(|(entry, rti)| Some((rti, metadata.table(entry.relid)?.clone())))
        .collect()
}

/// The distributed or replicated table that the query itself writes, and its range table index.
pub fn target(query: NodeRef<'_, Query>, metadata: &Metadata) -> Option<(i32, Table)> {
    let table = metadata.table(query.result_entry()?.relid)?;
    Some((query.resultRelation, table.clone()))
}
