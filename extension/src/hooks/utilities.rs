//! The hook of utility statements: schema changes everywhere, COPY to the nodes, and what other nodes have to follow.

use crate::ddl;
use crate::ddl::source::Source;
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
use std::ffi::CStr;
use std::os::raw::c_char;

static mut PREVIOUS: ProcessUtility_hook_type = None;

pub fn install() {
    chain!(PREVIOUS, ProcessUtility_hook, process);
}

/// # Safety
/// `pstmt` is a statement, and `query_string` null or the string that it is a part of, for `'a`.
unsafe fn source<'a>(pstmt: *mut PlannedStmt, query_string: *const c_char) -> Source<'a> {
    // SAFETY: as the caller promises.
    unsafe {
        Source {
            statement: NodeRef::present(pstmt),
            query: if query_string.is_null() {
                c""
            } else {
                CStr::from_ptr(query_string)
            },
        }
    }
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
    // SAFETY: PostgreSQL passes a statement, and the string that it is a part of.
    let source = unsafe { source(pstmt, query_string) };
    entry(|| ddl::locks::begin_barrier::pass(source.statement));
    if pending::concerned_by_utility(source.statement) {
        // SAFETY: nothing droppable lives in this frame.
        unsafe { pending::start_all() };
    }
    let (pstmt, around) = match entry(|| ddl::before(source, context)) {
        Utility::PassThrough => (pstmt, false),
        // SAFETY: the job was prepared by `before`; nothing droppable lives in this frame.
        Utility::CopyFrom(job) => return unsafe { crate::copy::run(job, qc) },
        Utility::Instead(pstmt) => (pstmt, false),
        Utility::Around { pstmt } => (pstmt, true),
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
    if around {
        entry(ddl::after);
    }
    if pending::opened_by(statement) {
        // SAFETY: nothing droppable lives in this frame.
        unsafe { pending::start_all() };
    }
    if constraints::concerns(statement) {
        entry(|| constraints::follow(statement));
    }
}
