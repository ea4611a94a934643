//! The hooks inside of PostgreSQL's planner: sizes of tables, and ways to tables, joins and what comes after them.

use crate::pg::entry::entry;
use crate::pg::planner::{Planner, Rel, Stage};
use crate::pg::tree::{ListRef, NodeRef};
use crate::planner::fragment;
use pgrx::pg_sys::{
    create_upper_paths_hook_type, get_relation_info_hook_type, set_join_pathlist_hook_type,
    set_rel_pathlist_hook_type, Index, JoinPathExtraData, JoinType, Oid, PlannerInfo,
    RangeTblEntry, RelOptInfo, UpperRelationKind,
};
use std::ffi::c_void;

static mut PREVIOUS_REL_PATHLIST: set_rel_pathlist_hook_type = None;
static mut PREVIOUS_JOIN_PATHLIST: set_join_pathlist_hook_type = None;
static mut PREVIOUS_UPPER_PATHS: create_upper_paths_hook_type = None;
static mut PREVIOUS_RELATION_INFO: get_relation_info_hook_type = None;

pub fn install() {
    chain!(PREVIOUS_REL_PATHLIST, set_rel_pathlist_hook, rel_pathlist);
    chain!(
        PREVIOUS_JOIN_PATHLIST,
        set_join_pathlist_hook,
        join_pathlist
    );
    chain!(PREVIOUS_UPPER_PATHS, create_upper_paths_hook, upper_paths);
    chain!(
        PREVIOUS_RELATION_INFO,
        get_relation_info_hook,
        relation_info
    );
}

unsafe extern "C-unwind" fn rel_pathlist(
    root: *mut PlannerInfo,
    rel: *mut RelOptInfo,
    rti: Index,
    rte: *mut RangeTblEntry,
) {
    next!(PREVIOUS_REL_PATHLIST(root, rel, rti, rte));
    entry(|| {
        // SAFETY: PostgreSQL passes a table that it plans, and its entry.
        let (rel, rte) = unsafe { (Rel::new(rel), NodeRef::present(rte)) };
        fragment::rel_pathlist(rel, rte);
    });
}

unsafe extern "C-unwind" fn join_pathlist(
    root: *mut PlannerInfo,
    joinrel: *mut RelOptInfo,
    outer: *mut RelOptInfo,
    inner: *mut RelOptInfo,
    jointype: JoinType::Type,
    extra: *mut JoinPathExtraData,
) {
    next!(PREVIOUS_JOIN_PATHLIST(
        root, joinrel, outer, inner, jointype, extra
    ));
    entry(|| {
        // SAFETY: PostgreSQL passes relations that it plans, and the join's conditions.
        let (planner, rel, sides, restrictions) = unsafe {
            (
                Planner::new(root),
                Rel::new(joinrel),
                [Rel::new(outer), Rel::new(inner)],
                ListRef::new((*extra).restrictlist),
            )
        };
        fragment::join_pathlist(planner, rel, sides, jointype, restrictions);
    });
}

unsafe extern "C-unwind" fn upper_paths(
    root: *mut PlannerInfo,
    stage: UpperRelationKind::Type,
    input: *mut RelOptInfo,
    output: *mut RelOptInfo,
    extra: *mut c_void,
) {
    next!(PREVIOUS_UPPER_PATHS(root, stage, input, output, extra));
    entry(|| {
        // SAFETY: PostgreSQL passes its planner at work, and the extra data of the stage.
        let (planner, stage) = unsafe {
            let planner = Planner::new(root);
            (planner, Stage::new(planner, stage, extra))
        };
        if let Some(stage) = stage {
            // SAFETY: these stages have an input and an output.
            let (input, output) = unsafe { (Rel::new(input), Rel::new(output)) };
            fragment::upper_paths(planner, stage, input, output);
        }
    });
}

unsafe extern "C-unwind" fn relation_info(
    root: *mut PlannerInfo,
    relation: Oid,
    inhparent: bool,
    rel: *mut RelOptInfo,
) {
    next!(PREVIOUS_RELATION_INFO(root, relation, inhparent, rel));
    // SAFETY: PostgreSQL passes the table that it is about to plan.
    entry(|| fragment::relation_info(relation, unsafe { Rel::new(rel) }));
}
