//! The hooks of the executor: what a statement needs before it starts, and copies at a limited pace.

use crate::pg::entry::entry;
use crate::pg::executor::query::QueryNode;
use crate::pg::session;
use crate::rebind::pace;
use crate::scan::{pending, statement_scan};
use crate::snapshot::{mixed, repeatable_read};
use expanse_core::copy_pace;
use pgrx::pg_sys::{ExecutorRun_hook_type, ExecutorStart_hook_type, QueryDesc, ScanDirection};
use std::os::raw::c_int;

static mut PREVIOUS_START: ExecutorStart_hook_type = None;
static mut PREVIOUS_RUN: ExecutorRun_hook_type = None;

pub fn install() {
    chain!(PREVIOUS_START, ExecutorStart_hook, start);
    chain!(PREVIOUS_RUN, ExecutorRun_hook, run);
}

unsafe extern "C-unwind" fn start(query: *mut QueryDesc, flags: c_int) {
    // SAFETY: PostgreSQL passes the query that it starts.
    let starting = unsafe { QueryNode::new(query) };
    if pending::concerned_by(starting, flags) {
        // SAFETY: nothing droppable lives in this frame.
        unsafe { pending::start_all() };
    }
    if statement_scan::may_shorten(starting, flags) {
        entry(|| statement_scan::shorten(starting));
    }
    if repeatable_read::concerns(starting, flags) {
        entry(|| repeatable_read::begin(starting));
    }
    let agreed = mixed::is_marked(starting, flags) && entry(|| mixed::begin(starting));
    next!(PREVIOUS_START or standard_ExecutorStart(query, flags));
    if agreed {
        entry(|| mixed::keep(starting));
    }
}

unsafe extern "C-unwind" fn run(
    query: *mut QueryDesc,
    direction: ScanDirection::Type,
    count: u64,
    once: bool,
) {
    // SAFETY: PostgreSQL passes a query that it has started.
    let running = unsafe { QueryNode::new(query) };
    let paced = pace::may_pace(running, count);
    if let Some(group) = paced.then(|| entry(|| pace::group_of(running))).flatten() {
        // SAFETY: as above; nothing droppable lives in this frame.
        return unsafe { copy_in_portions(query, direction, group) };
    }
    next!(PREVIOUS_RUN or standard_ExecutorRun(query, direction, count, once));
}

/// The copy of a rebind, a few rows at a time, as fast as its limit allows. COPY's receiver keeps its own count over several
/// runs.
///
/// # Safety
/// A query that has started; nothing droppable on the stack.
unsafe fn copy_in_portions(query: *mut QueryDesc, direction: ScanDirection::Type, group: i32) {
    // SAFETY: as the caller promises.
    let running = unsafe { QueryNode::new(query) };
    let (mut portion, mut sent) = (16, session::copied_bytes());
    loop {
        next!(PREVIOUS_RUN or standard_ExecutorRun(query, direction, portion, false));
        let rows = running.processed();
        if rows < portion {
            return;
        }
        let bytes = session::copied_bytes() - sent;
        sent += bytes;
        portion = copy_pace::portion(rows, bytes);
        entry(|| pace::wait(group, bytes));
    }
}
