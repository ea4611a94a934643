//! Statements that one node can answer.

use crate::metadata::cache::{Metadata, TableKind};
use crate::pg::list::nodes;
use crate::pg::tree::NodeRef;
use crate::plan::deparse::{calls_volatile_of_node, deparse_for_remote};
use crate::plan::statement::Place;
use crate::planner::exchange::Taken;
use crate::planner::key_equality;
use crate::planner::key_equality::Key;
use crate::planner::local_only;
use crate::planner::tables::Mentions;
use crate::planner::wrap;
use crate::planner::wrap::Plan;
use pgrx::pg_sys::{self, CmdType, Node, PlannedStmt, Query, RangeTblEntry};

/// Can one node answer the whole statement? Then its text and its key.
pub fn consider(query: *mut Query, mentions: &Mentions, metadata: &Metadata) -> Option<Plan> {
    let first = mentions.distributed.first()?;
    let writes = mentions.all().any(|mention| mention.written);
    // SAFETY: PostgreSQL's analysed query tree.
    let (command, modifying_cte) = unsafe { ((*query).commandType, (*query).hasModifyingCTE) };
    if modifying_cte || mentions.replicated.iter().any(|m| m.written) {
        return None;
    }
    let key = match command {
        CmdType::CMD_SELECT => key_equality::common_key(query, metadata, None)?,
        CmdType::CMD_INSERT => inserted_key(query, metadata)?,
        // A row that matches nothing may be inserted with another key than the one compared.
        CmdType::CMD_MERGE => return None,
        _ => {
            if crate::planner::rekey::changes_key(query, metadata) {
                return None;
            }
            key_equality::common_key(query, metadata, None)?
        }
    };
    let Key::Value(key) = key else { return None };
    // SAFETY: PostgreSQL's analysed query tree.
    let tree = unsafe { NodeRef::present(query) };
    let volatile = tree.node().is_volatile();
    // A row of a SELECT that calls one here is called for here.
    let bound = volatile && (command == CmdType::CMD_SELECT || calls_volatile_of_node(tree));
    if bound || local_only(query, metadata) {
        return None;
    }
    let group = metadata.table(first.relation)?.group;
    let same_group = |m: &crate::planner::tables::Mention| {
        metadata.table(m.relation).is_some_and(|t| t.group == group)
    };
    if !mentions.distributed.iter().all(same_group) {
        return None;
    }
    let remote = deparse_for_remote(tree);
    (!remote.may_read_tables).then_some(Plan {
        place: Place::Key { group },
        writes,
        key,
        remote,
        taken: Taken::default(),
    })
}

/// The distribution column's value of an INSERT of one row.
fn inserted_key(query: *mut Query, metadata: &Metadata) -> Option<Key> {
    // SAFETY: PostgreSQL's analysed query tree; the result relation is in the range table.
    unsafe {
        let sources = (*(*query).jointree).fromlist;
        if !sources.is_null() && (*sources).length > 0 || (*query).hasSubLinks {
            return None;
        }
        let target =
            nodes::<RangeTblEntry>((*query).rtable).nth((*query).resultRelation as usize - 1)?;
        let table = metadata.table((*target).relid)?;
        let TableKind::Distributed { column, .. } = &table.kind else {
            return None;
        };
        let entry =
            nodes::<pg_sys::TargetEntry>((*query).targetList).find(|e| (**e).resno == *column)?;
        let value: *mut Node = key_equality::value((*entry).expr.cast())?;
        let is_null = crate::is_a!(value, T_Const) && (*value.cast::<pg_sys::Const>()).constisnull;
        (!is_null).then_some(Key::Value(value))
    }
}

/// Puts Route on top of the local plan.
pub fn wrap(stmt: *mut PlannedStmt, plan: &Plan) {
    wrap::wrap(stmt, plan);
}
