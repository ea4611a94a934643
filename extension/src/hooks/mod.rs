//! PostgreSQL's hooks: saved once, chained always, never damaging a foreign error.
//!
//! A hook decides inside [`entry`] and gets plain data back; the next function in the chain is
//! called outside of it, with nothing droppable on the stack (see [`crate::pg::entry`]).

pub mod transactions;

use crate::ddl;
use crate::pg::entry::entry;
use crate::pg::raw;
use crate::pg::tree::NodeMut;
use crate::pg::utility::Utility;
use crate::planner;
use crate::planner::Decision;
use crate::rebind::pace;
use crate::scan::{pending, statement_scan};
use crate::snapshot::{mixed, repeatable_read};
use crate::transaction::constraints;
use pgrx::pg_sys::*;
use std::os::raw::{c_char, c_int};

static mut PREVIOUS_PLANNER: planner_hook_type = None;
static mut PREVIOUS_EXECUTOR_START: ExecutorStart_hook_type = None;
static mut PREVIOUS_EXECUTOR_RUN: ExecutorRun_hook_type = None;
static mut PREVIOUS_UTILITY: ProcessUtility_hook_type = None;
static mut PREVIOUS_REL_PATHLIST: set_rel_pathlist_hook_type = None;
static mut PREVIOUS_JOIN_PATHLIST: set_join_pathlist_hook_type = None;
static mut PREVIOUS_UPPER_PATHS: create_upper_paths_hook_type = None;
static mut PREVIOUS_RELATION_INFO: get_relation_info_hook_type = None;

/// Installs all hooks; called once at load.
pub fn install() {
    statement_scan::register();
    crate::scan::distribute_scan::register();
    crate::scan::first_scan::register();
    crate::scan::moving_scan::register();
    // SAFETY: at load the backend is single-threaded, and this runs once; each pointer is saved before it is replaced.
    unsafe {
        PREVIOUS_PLANNER = planner_hook;
        planner_hook = Some(plan);
        PREVIOUS_EXECUTOR_START = ExecutorStart_hook;
        ExecutorStart_hook = Some(executor_start);
        PREVIOUS_EXECUTOR_RUN = ExecutorRun_hook;
        ExecutorRun_hook = Some(executor_run);
        PREVIOUS_UTILITY = ProcessUtility_hook;
        ProcessUtility_hook = Some(process_utility);
        PREVIOUS_REL_PATHLIST = set_rel_pathlist_hook;
        set_rel_pathlist_hook = Some(rel_pathlist);
        PREVIOUS_JOIN_PATHLIST = set_join_pathlist_hook;
        set_join_pathlist_hook = Some(join_pathlist);
        PREVIOUS_UPPER_PATHS = create_upper_paths_hook;
        create_upper_paths_hook = Some(upper_paths);
        PREVIOUS_RELATION_INFO = get_relation_info_hook;
        get_relation_info_hook = Some(relation_info);
    }
    ddl::forget::install();
    transactions::install();
}

unsafe extern "C-unwind" fn plan(
    parse: *mut Query,
    query_string: *const c_char,
    cursor_options: c_int,
    bound_params: ParamListInfo,
) -> *mut PlannedStmt {
    // SAFETY: PostgreSQL hands the analysed query over to be changed.
    let decision = entry(|| planner::decide(unsafe { NodeMut::present(parse) }));
    // SAFETY: PostgreSQL's own arguments are passed on; nothing droppable lives in this frame.
    let stmt = unsafe {
        match PREVIOUS_PLANNER {
            Some(previous) => previous(parse, query_string, cursor_options, bound_params),
            None => raw::standard_planner(parse, query_string, cursor_options, bound_params),
        }
    };
    match decision {
        Decision::PassThrough => stmt,
        Decision::Moving => entry(|| {
            // SAFETY: the finished statement, ours to extend.
            planner::prior_writes::moved_rows::wrap(unsafe { &mut NodeMut::present(stmt) });
            stmt
        }),
        Decision::Plan(planning) => entry(|| {
            // SAFETY: the finished statement, ours to extend; `planning` was made above for it.
            unsafe { planner::finish(&mut NodeMut::present(stmt), planning) };
            stmt
        }),
    }
}

unsafe extern "C-unwind" fn executor_start(query: *mut QueryDesc, flags: c_int) {
    // SAFETY: PostgreSQL's own arguments are passed on; nothing droppable lives in this frame.
    unsafe {
        if pending::concerned_by(query, flags) {
            pending::start_all();
        }
        if statement_scan::may_shorten(query, flags) {
            entry(|| statement_scan::shorten(query));
        }
        if repeatable_read::concerns(query, flags) {
            entry(|| repeatable_read::begin(query));
        }
        let agreed = mixed::is_marked(query, flags) && entry(|| mixed::begin(query));
        match PREVIOUS_EXECUTOR_START {
            Some(previous) => previous(query, flags),
            None => raw::standard_ExecutorStart(query, flags),
        }
        if agreed {
            entry(|| mixed::keep(query));
        }
    }
}

unsafe extern "C-unwind" fn executor_run(
    query: *mut QueryDesc,
    direction: ScanDirection::Type,
    count: u64,
    once: bool,
) {
    // SAFETY: PostgreSQL's own arguments are passed on; nothing droppable lives in this frame.
    unsafe {
        if pace::may_pace(query, count) {
            if let Some(group) = entry(|| pace::group_of(query)) {
                return copy_in_portions(query, direction, group);
            }
        }
        run_on(query, direction, count, once);
    }
}

unsafe fn run_on(query: *mut QueryDesc, direction: ScanDirection::Type, count: u64, once: bool) {
    // SAFETY: as in executor_run.
    unsafe {
        match PREVIOUS_EXECUTOR_RUN {
            Some(previous) => previous(query, direction, count, once),
            None => raw::standard_ExecutorRun(query, direction, count, once),
        }
    }
}

/// The copy of a rebind, a few rows at a time, as fast as it may be.
unsafe fn copy_in_portions(query: *mut QueryDesc, direction: ScanDirection::Type, group: i32) {
    let (mut portion, mut sent) = (16, pace::bytes_sent());
    loop {
        // SAFETY: as in executor_run; COPY's receiver keeps its own count over several runs.
        let rows = unsafe {
            run_on(query, direction, portion, false);
            (*(*query).estate).es_processed
        };
        if rows < portion {
            return;
        }
        let bytes = pace::bytes_sent() - sent;
        sent += bytes;
        portion = pace::portion(rows, bytes);
        entry(|| pace::wait(group, bytes));
    }
}

#[allow(clippy::too_many_arguments)] // PostgreSQL's signature
unsafe extern "C-unwind" fn process_utility(
    pstmt: *mut PlannedStmt,
    query_string: *const c_char,
    read_only_tree: bool,
    context: ProcessUtilityContext::Type,
    params: ParamListInfo,
    query_env: *mut QueryEnvironment,
    dest: *mut DestReceiver,
    qc: *mut QueryCompletion,
) {
    // SAFETY: the statement that runs next; nothing droppable lives in this frame.
    unsafe {
        entry(|| ddl::begin_barrier::pass(pstmt));
        if pending::concerned_by_utility(pstmt) {
            pending::start_all();
        }
    }
    let utility = entry(|| ddl::before(pstmt, query_string, context, params, dest, qc));
    let (pstmt, after) = match utility {
        Utility::PassThrough => (pstmt, std::ptr::null_mut()),
        // SAFETY: the job was prepared by `before`; nothing droppable lives in this frame.
        Utility::CopyFrom(job) => return unsafe { crate::copy::run(job, qc) },
        Utility::Around { pstmt, after } => (pstmt, after),
    };
    // SAFETY: the statement that runs next.
    let pushed = repeatable_read::applies() && entry(|| unsafe { repeatable_read::push(pstmt) });
    // SAFETY: PostgreSQL's own arguments (or a statement of ours in their place) are passed on; nothing
    // droppable lives in this frame.
    unsafe {
        match PREVIOUS_UTILITY {
            Some(previous) => previous(
                pstmt,
                query_string,
                read_only_tree,
                context,
                params,
                query_env,
                dest,
                qc,
            ),
            None => raw::standard_ProcessUtility(
                pstmt,
                query_string,
                read_only_tree,
                context,
                params,
                query_env,
                dest,
                qc,
            ),
        }
    }
    if pushed {
        // SAFETY: `push` pushed one, and COPY leaves the stack as it was.
        unsafe { PopActiveSnapshot() };
    }
    if !after.is_null() {
        entry(|| ddl::after(after, qc));
    }
    // SAFETY: the statement that has run; nothing droppable lives in this frame.
    unsafe {
        if pending::opened_by(pstmt) {
            pending::start_all();
        }
    }
    // SAFETY: the statement that has run.
    if unsafe { constraints::concerns(pstmt) } {
        // SAFETY: as asked.
        entry(|| unsafe { constraints::follow(pstmt) });
    }
}

unsafe extern "C-unwind" fn rel_pathlist(
    root: *mut PlannerInfo,
    rel: *mut RelOptInfo,
    rti: Index,
    rte: *mut RangeTblEntry,
) {
    // SAFETY: chained with PostgreSQL's own arguments; nothing droppable lives in this frame.
    unsafe {
        if let Some(previous) = PREVIOUS_REL_PATHLIST {
            previous(root, rel, rti, rte);
        }
    }
    entry(|| planner::fragment::rel_pathlist(root, rel, rti, rte));
}

unsafe extern "C-unwind" fn join_pathlist(
    root: *mut PlannerInfo,
    joinrel: *mut RelOptInfo,
    outer: *mut RelOptInfo,
    inner: *mut RelOptInfo,
    jointype: JoinType::Type,
    extra: *mut JoinPathExtraData,
) {
    // SAFETY: as in rel_pathlist.
    unsafe {
        if let Some(previous) = PREVIOUS_JOIN_PATHLIST {
            previous(root, joinrel, outer, inner, jointype, extra);
        }
    }
    entry(|| planner::fragment::join_pathlist(root, joinrel, outer, inner, jointype, extra));
}

unsafe extern "C-unwind" fn upper_paths(
    root: *mut PlannerInfo,
    stage: UpperRelationKind::Type,
    input: *mut RelOptInfo,
    output: *mut RelOptInfo,
    extra: *mut std::ffi::c_void,
) {
    // SAFETY: as in rel_pathlist.
    unsafe {
        if let Some(previous) = PREVIOUS_UPPER_PATHS {
            previous(root, stage, input, output, extra);
        }
    }
    entry(|| planner::fragment::upper_paths(root, stage, input, output, extra));
}

unsafe extern "C-unwind" fn relation_info(
    root: *mut PlannerInfo,
    relation: Oid,
    inhparent: bool,
    rel: *mut RelOptInfo,
) {
    // SAFETY: as in rel_pathlist.
    unsafe {
        if let Some(previous) = PREVIOUS_RELATION_INFO {
            previous(root, relation, inhparent, rel);
        }
    }
    entry(|| planner::fragment::relation_info(root, relation, inhparent, rel));
}
