//! The hook of the planner: a way is chosen before PostgreSQL plans, and its plan is finished afterwards.

use crate::pg::entry::entry;
use crate::pg::tree::NodeMut;
use crate::planner;
use crate::planner::Decision;
use pgrx::pg_sys::{planner_hook_type, ParamListInfo, PlannedStmt, Query};
use std::os::raw::{c_char, c_int};

static mut PREVIOUS: planner_hook_type = None;

pub fn install() {
    chain!(PREVIOUS, planner_hook, plan);
}

unsafe extern "C-unwind" fn plan(
    parse: *mut Query,
    query_string: *const c_char,
    cursor_options: c_int,
    bound_params: ParamListInfo,
) -> *mut PlannedStmt {
    // SAFETY: PostgreSQL hands the analysed query over to be changed.
    let decision = entry(|| planner::decide(unsafe { NodeMut::present(parse) }));
    let stmt =
        next!(PREVIOUS or standard_planner(parse, query_string, cursor_options, bound_params));
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
