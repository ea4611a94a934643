//! The hook of utility statements: schema changes everywhere, COPY to the nodes, and what other nodes have to follow.

use crate::ddl;
use crate::pg::entry::entry;
use crate::pg::tree::NodeRef;
use crate::pg::utility::Utility;
use crate::scan::pending;
use crate::snapshot::repeatable_read;
use crate::transaction::constraints;
use pgrx::pg_sys::{
    DestReceiver, ParamListInfo, PlannedStmt, PopActiveSnapshot, ProcessUtilityContext,
    ProcessUtility_hook_type, QueryCompletion, QueryEnvironment,
};
use std::os::raw::c_char;

static mut PREVIOUS: ProcessUtility_hook_type = None;

pub fn install() {
    chain!(PREVIOUS, ProcessUtility_hook, process);
}

#[allow(clippy::too_many_arguments)] // PostgreSQL's signature
unsafe extern "C-unwind" fn process(
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
    let statement = unsafe { NodeRef::present(pstmt) };
    let pushed = repeatable_read::applies() && entry(|| repeatable_read::push_for(statement));
    next!(PREVIOUS or standard_ProcessUtility(
        pstmt,
        query_string,
        read_only_tree,
        context,
        params,
        query_env,
        dest,
        qc
    ));
    if pushed {
        // SAFETY: `push_for` pushed one, and COPY leaves the stack as it was.
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
        if constraints::concerns(pstmt) {
            entry(|| constraints::follow(pstmt));
        }
    }
}
