//! From a fragment to the query that the nodes run.
//!
//! The query shares the numbering of the planner's range table, so that expressions fit without change. Entries that are not
//! the fragment's become empty ones, because the deparser looks at all of them.

use crate::pg::nodes::{copy, items, length, make};
use crate::planner::fragment::info::Fragment;
use crate::planner::fragment::shippable::{ship, Shipment};
use crate::planner::fragment::top::Top;
use pgrx::pg_sys::*;
use std::os::raw::c_int;

/// What is put on top of a fragment's rows.
#[derive(Clone, Copy)]
pub struct Grouping {
    pub clause: *mut List,
    /// A plain expression or null.
    pub having: *mut Node,
}

/// A query and what its parameters `$1`, `$2`, ... stand for.
pub struct Built {
    pub query: *mut Query,
    pub params: *mut List,
}

/// The query for `columns` (with their sort-group references, when grouped).
///
/// # Safety
/// All is valid and of the planner at work.
pub unsafe fn build(
    root: *mut PlannerInfo,
    fragment: &Fragment,
    columns: *mut List,
    references: *const Index,
    grouping: Option<&Grouping>,
    top: Option<&Top>,
) -> Built {
    // SAFETY: as the caller promises.
    unsafe {
        let mut shipment = Shipment {
            params: std::ptr::null_mut(),
            rtable: (*(*root).parse).rtable,
        };
        let query = make::<Query>(NodeTag::T_Query);
        let outer_members = from_members(fragment.from);
        (*query).commandType = CmdType::CMD_SELECT;
        (*query).canSetTag = true;
        (*query).stmt_location = -1;
        (*query).rtable = range_table(shipment.rtable, outer_members);
        (*query).jointree = make::<FromExpr>(NodeTag::T_FromExpr);
        (*(*query).jointree).fromlist = ship(fragment.from, &mut shipment);
        (*(*query).jointree).quals = conjunction(ship(fragment.quals, &mut shipment));
        crate::planner::fragment::joins::number(query);
        for (index, column) in items::<Expr>(columns).enumerate() {
            let expr = ship(column, &mut shipment);
            let entry = makeTargetEntry(expr, index as AttrNumber + 1, std::ptr::null_mut(), false);
            if !references.is_null() {
                (*entry).ressortgroupref = *references.add(index);
            }
            (*query).targetList = lappend((*query).targetList, entry.cast());
        }
        if let Some(grouping) = grouping {
            (*query).groupClause = copy(grouping.clause);
            (*query).havingQual = ship(grouping.having, &mut shipment);
            (*query).hasAggs = contain_agg_clause((*query).targetList.cast())
                || contain_agg_clause((*query).havingQual);
        }
        if let Some(top) = top {
            for (clause, expr) in
                items::<SortGroupClause>(top.clauses).zip(items::<Expr>(top.exprs))
            {
                let number = length((*query).targetList) as AttrNumber + 1;
                let expr = ship(expr, &mut shipment);
                let entry = makeTargetEntry(expr, number, std::ptr::null_mut(), true);
                (*entry).ressortgroupref = (*clause).tleSortGroupRef;
                (*query).targetList = lappend((*query).targetList, entry.cast());
            }
            (*query).sortClause = copy(top.clauses);
            (*query).limitCount = number(top.rows);
            (*query).limitOption = LimitOption::LIMIT_OPTION_COUNT;
        }
        (*query).hasSubLinks = checkExprHasSubLink((*query).jointree.cast());
        Built {
            query,
            params: shipment.params,
        }
    }
}

/// A bigint constant.
unsafe fn number(value: i64) -> *mut Node {
    // SAFETY: the type's own length and way to be passed.
    unsafe { makeConst(INT8OID, -1, InvalidOid, 8, value.into(), false, true).cast() }
}

/// The tables that stand in FROM; those of an EXISTS have a range table of their own.
unsafe fn from_members(from: *mut List) -> Relids {
    let mut members = std::ptr::null_mut();
    // SAFETY: a valid from list.
    unsafe {
        for item in items::<Node>(from) {
            members = bms_add_members(members, crate::pg::raw::get_relids_in_jointree(item, false));
        }
    }
    members
}

/// One expression from a list of conditions; null when there is none.
///
/// # Safety
/// `list` is null or a valid list of expressions.
pub unsafe fn conjunction(list: *mut List) -> *mut Node {
    if list.is_null() {
        return std::ptr::null_mut();
    }
    // SAFETY: as the caller promises.
    unsafe { make_ands_explicit(list).cast() }
}

/// The planner's range table with everything but `members` replaced by empty entries.
///
/// # Safety
/// `rtable` is a valid range table.
pub unsafe fn range_table(rtable: *mut List, members: Relids) -> *mut List {
    let mut result = std::ptr::null_mut();
    // SAFETY: as the caller promises.
    unsafe {
        for (index, entry) in items::<RangeTblEntry>(rtable).enumerate() {
            let entry = if bms_is_member(index as c_int + 1, members) {
                table_entry(entry)
            } else {
                empty_entry(RTEKind::RTE_RESULT)
            };
            result = lappend(result, entry.cast());
        }
    }
    result
}

/// Privileges and row security are checked by the plan around it (here) or by the node itself.
unsafe fn table_entry(entry: *mut RangeTblEntry) -> *mut RangeTblEntry {
    // SAFETY: a valid entry by the caller's promise.
    unsafe {
        let entry = copy(entry);
        (*entry).securityQuals = std::ptr::null_mut();
        (*entry).requiredPerms = 0;
        (*entry).checkAsUser = InvalidOid;
        (*entry).inh = true;
        (*entry).inFromCl = true;
        (*entry).rellockmode = AccessShareLock as c_int;
        entry
    }
}

/// An entry that stands for nothing.
///
/// # Safety
/// The current memory context is the planner's.
pub unsafe fn empty_entry(kind: RTEKind::Type) -> *mut RangeTblEntry {
    // SAFETY: the structure matches the tag.
    unsafe {
        let entry = make::<RangeTblEntry>(NodeTag::T_RangeTblEntry);
        (*entry).rtekind = kind;
        (*entry).eref = makeAlias(c"unused".as_ptr(), std::ptr::null_mut());
        entry
    }
}
