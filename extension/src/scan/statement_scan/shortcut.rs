//! A Route whose key this node owns, before the executor starts: the plan for this node takes its place.
//!
//! # How it works
//! The child of Route is exactly what PostgreSQL planned for this node alone. With the key known from a constant or a
//! parameter, the executor is given a copy of the statement whose tree is that child. EXPLAIN, and whoever measures a
//! statement, gets the Route itself.
//!
//! # Invariants
//! The statement itself (it may be a cached plan) is never changed. The gates are locked by then, as for Route.

use crate::metadata::cache::metadata;
use crate::pg::entry::guarded;
use crate::plan::statement::Place;
use crate::scan::statement_scan::prepared::prepared;
use crate::scan::statement_scan::state::owner_of;
use pgrx::pg_sys::{self, CustomScan, Datum, Node, PlannedStmt, QueryDesc};

/// Is this a Route that may turn out to be for this node alone? Two comparisons for any other statement.
///
/// # Safety
/// `query` is what PostgreSQL starts.
pub unsafe fn may_shorten(query: *mut QueryDesc, flags: i32) -> bool {
    // SAFETY: a planned statement has a tree, unless it is a utility statement.
    unsafe {
        let tree = (*(*query).plannedstmt).planTree;
        !tree.is_null()
            && (*tree).type_ == pg_sys::NodeTag::T_CustomScan
            && std::ptr::eq(
                (*tree.cast::<CustomScan>()).methods,
                &crate::scan::statement_scan::ROUTE.0,
            )
            && (*query).instrument_options == 0
            && flags & pg_sys::EXEC_FLAG_EXPLAIN_ONLY as i32 == 0
    }
}

/// Gives the executor the plan for this node, when this node owns the key.
///
/// # Safety
/// [`may_shorten`] has said yes.
pub unsafe fn shorten(query: *mut QueryDesc) {
    // SAFETY: the tree is a Route: its first expression is the key, its first plan the child.
    unsafe {
        let stmt = (*query).plannedstmt;
        let scan = (*stmt).planTree.cast::<CustomScan>();
        let key: *mut Node = (*(*(*scan).custom_exprs).elements).ptr_value.cast();
        let Some(value) = known_value(key, (*query).params) else {
            return;
        };
        let plan = prepared(scan);
        let (Place::Key { group }, Some(metadata)) = (plan.statement.place, metadata()) else {
            return;
        };
        let owner = value.map_or(metadata.local_node, |value| {
            owner_of(&plan, value, &metadata, group)
        });
        if owner == metadata.local_node {
            let copy = pg_sys::palloc(std::mem::size_of::<PlannedStmt>()).cast::<PlannedStmt>();
            *copy = *stmt;
            (*copy).planTree = (*(*(*scan).custom_plans).elements).ptr_value.cast();
            (*query).plannedstmt = copy;
        }
    }
}

/// The value of a constant or of a parameter of the statement (`Some(None)` is NULL); `None` for anything else.
unsafe fn known_value(key: *mut Node, params: pg_sys::ParamListInfo) -> Option<Option<Datum>> {
    // SAFETY: the node's tag says what it is; parameters lie behind their list, numParams of them.
    unsafe {
        if crate::is_a!(key, T_Const) {
            let constant = key.cast::<pg_sys::Const>();
            return Some((!(*constant).constisnull).then_some((*constant).constvalue));
        }
        if !crate::is_a!(key, T_Param) || params.is_null() {
            return None;
        }
        let param = key.cast::<pg_sys::Param>();
        let number = (*param).paramid;
        if (*param).paramkind != pg_sys::ParamKind::PARAM_EXTERN
            || number < 1
            || number > (*params).numParams
        {
            return None;
        }
        let mut room = pg_sys::ParamExternData::default();
        let given = match (*params).paramFetch {
            Some(fetch) => guarded(|| fetch(params, number, false, &mut room)),
            None => (*params).params.as_mut_ptr().add(number as usize - 1),
        };
        ((*given).ptype == (*param).paramtype).then(|| (!(*given).isnull).then_some((*given).value))
    }
}
