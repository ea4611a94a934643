//! This node's own fragment, run in-process.

use crate::scan::fragment_scan::state::FragmentScanState;
use crate::snapshot::agree::local_snapshot;
use crate::snapshot::repeatable_read;
use crate::state::local_planning;
use pgrx::pg_sys::*;

/// Plans the query for this node and starts it under the scan's snapshot.
///
/// # Safety
/// `query` is a copy that may be changed; the scan has begun.
pub unsafe fn start(
    state: *mut FragmentScanState,
    query: *mut Query,
    params: ParamListInfo,
) -> *mut QueryDesc {
    // SAFETY: as the caller promises; everything lives in the memory of the running query.
    unsafe {
        let estate = (*state).css.ss.ps.state;
        let outer = MemoryContextSwitchTo((*state).run_context);
        local_planning::enter_next();
        let planned = pg_plan_query(query, c"fragment".as_ptr(), 0, params);
        local_planning::leave();
        // What the nodes agreed on, if others take part, as this statement sees it after those before it in the
        // transaction. In REPEATABLE READ the statement has that already.
        let own = (*estate).es_snapshot;
        let shared = (*(*state).run).agreement.is_some() && !repeatable_read::has_agreed();
        let mut seen = local_snapshot()
            .filter(|_| shared)
            .map(|agreed| agreed.at_command((*own).curcid));
        let snapshot = seen.as_mut().map_or(own, std::ptr::from_mut);
        let description = CreateQueryDesc(
            planned,
            c"fragment".as_ptr(),
            snapshot,
            std::ptr::null_mut(),
            None_Receiver,
            params,
            std::ptr::null_mut(),
            0,
        );
        standard_ExecutorStart(description, 0);
        MemoryContextSwitchTo(outer);
        description
    }
}

/// The next row; null at the end.
///
/// # Safety
/// Started and not ended; nothing droppable lives in the callers' frames.
pub unsafe fn next(description: *mut QueryDesc) -> *mut TupleTableSlot {
    // SAFETY: as the caller promises.
    unsafe {
        let outer = CurrentMemoryContext;
        CurrentMemoryContext = (*(*description).estate).es_query_cxt;
        let node = (*description).planstate;
        if !(*node).chgParam.is_null() {
            crate::pg::raw::ExecReScan(node);
        }
        let slot = match (*node).ExecProcNode {
            Some(execute) => execute(node),
            None => std::ptr::null_mut(),
        };
        CurrentMemoryContext = outer;
        if slot.is_null() || (*slot).tts_flags & TTS_FLAG_EMPTY as u16 != 0 {
            std::ptr::null_mut()
        } else {
            slot
        }
    }
}

/// Ends what [`start`] began.
///
/// # Safety
/// As for [`next`]; not used afterwards.
pub unsafe fn end(description: *mut QueryDesc) {
    // SAFETY: as the caller promises.
    unsafe {
        crate::pg::raw::standard_ExecutorFinish(description);
        crate::pg::raw::standard_ExecutorEnd(description);
        crate::pg::raw::FreeQueryDesc(description);
    }
}
