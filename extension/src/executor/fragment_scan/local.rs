//! This node's own fragment, run in-process.

use super::state::FragmentScanState;
use crate::planner::scope;
use crate::transaction::consistency::agree::local_snapshot;
use crate::transaction::consistency::fixed;
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
        scope::enter_next();
        let planned = pg_plan_query(query, c"fragment".as_ptr(), 0, params);
        scope::leave();
        // What the nodes agreed on, if others take part. In REPEATABLE READ the statement has that already.
        let agreed = local_snapshot();
        let of_several =
            (*(*state).run).agreement.is_some() && !agreed.is_null() && !fixed::has_agreed();
        // An open cursor may have agreed on it before this transaction wrote what this statement sees.
        let mut own;
        let snapshot = if of_several {
            own = std::ptr::read(agreed);
            own.copied = false;
            own.curcid = (*(*estate).es_snapshot).curcid;
            &mut own
        } else {
            (*estate).es_snapshot
        };
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
            crate::entry::raw::ExecReScan(node);
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
        super::raw::standard_ExecutorFinish(description);
        super::raw::standard_ExecutorEnd(description);
        super::raw::FreeQueryDesc(description);
    }
}
