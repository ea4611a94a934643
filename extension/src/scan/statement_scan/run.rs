//! The executor's calls.

use crate::pg::entry::entry;
use crate::pg::memory::keep;
use crate::pg::raw;
use crate::scan::pending;
use crate::scan::statement_scan::state::{Inner, ScanState};
use pgrx::pg_sys::{self, CustomScan, CustomScanState, EState, Plan, TupleTableSlot};
use std::os::raw::c_int;

/// Decides the nodes and starts the child plan if this node is among them.
pub unsafe extern "C-unwind" fn begin(
    node: *mut CustomScanState,
    estate: *mut EState,
    flags: c_int,
) {
    let state = node.cast::<ScanState>();
    // SAFETY: PostgreSQL passes the state that `create` made; the child plan is the first of the custom plans; nothing
    // droppable lives in this frame while ExecInitNode runs.
    unsafe {
        let child: *mut Plan = entry(|| prepare(state, flags));
        if child.is_null() {
            return;
        }
        (*state).child = raw::ExecInitNode(child, estate, flags);
        (*node).custom_ps = pg_sys::lappend(std::ptr::null_mut(), (*state).child.cast());
        (*state).junk = entry(|| junk_filter(child, estate));
    }
}

unsafe fn prepare(state: *mut ScanState, flags: c_int) -> *mut Plan {
    // SAFETY: the state is being begun; its memory context lives as long as the query.
    unsafe {
        let node = std::ptr::from_mut(&mut (*state).custom);
        let explain_only = flags & pg_sys::EXEC_FLAG_EXPLAIN_ONLY as c_int != 0;
        let inner = Inner::new(node, explain_only);
        let local = inner.local;
        (*state).inner = keep(inner);
        if (*(*state).inner).may_start_early() {
            (*(*state).inner).pending = pending::add(node, flags, start_early);
        }
        let scan = (*node).ss.ps.plan.cast::<CustomScan>();
        if local {
            (*(*(*scan).custom_plans).elements).ptr_value.cast()
        } else {
            std::ptr::null_mut()
        }
    }
}

/// Sends the text before the first row is wanted.
unsafe fn start_early(node: *mut CustomScanState) {
    let state = node.cast::<ScanState>();
    // SAFETY: a scan that has begun and not started.
    entry(|| unsafe { (&mut *(*state).inner).start(node) });
}

unsafe fn junk_filter(child: *mut Plan, estate: *mut EState) -> *mut pg_sys::JunkFilter {
    // SAFETY: the child's own target list and the query's tuple table.
    unsafe {
        let list = (*child).targetlist;
        let hidden =
            crate::pg::list::nodes::<pg_sys::TargetEntry>(list).any(|entry| (*entry).resjunk);
        if !hidden {
            return std::ptr::null_mut();
        }
        let slot = pg_sys::ExecInitExtraTupleSlot(
            estate,
            std::ptr::null_mut(),
            std::ptr::addr_of!(pg_sys::TTSOpsVirtual),
        );
        pg_sys::ExecInitJunkFilter(list, slot)
    }
}

/// The next row: this node's first, then the others'.
pub unsafe extern "C-unwind" fn next(node: *mut CustomScanState) -> *mut TupleTableSlot {
    let state = node.cast::<ScanState>();
    // SAFETY: begun by `begin`; the child is called by its own function pointer, with nothing droppable in this frame.
    unsafe {
        if !(*state).child.is_null() && !(*state).child_done {
            if (*(*state).inner).begins_elsewhere() {
                entry(|| {
                    let inner = &mut *(*state).inner;
                    inner.deliver_sources(node);
                    // Elsewhere they work while this node does; a replicated table's first node comes first.
                    if inner.plan.statement.place != crate::plan::statement::Place::Everywhere
                        || inner.waits_for_first()
                    {
                        inner.start(node);
                    }
                });
            }
            let child = (*state).child;
            let slot = (*child).ExecProcNode.expect("a begun plan")(child);
            if !slot.is_null() && (*slot).tts_flags & pg_sys::TTS_FLAG_EMPTY as u16 == 0 {
                return if (*state).junk.is_null() {
                    slot
                } else {
                    pg_sys::ExecFilterJunk((*state).junk, slot)
                };
            }
            (*state).child_done = true;
        }
        let found = entry(|| (&mut *(*state).inner).next(node));
        if found {
            (*node).ss.ss_ScanTupleSlot
        } else {
            std::ptr::null_mut()
        }
    }
}

/// Ends the child; what other nodes still send is cancelled when the state is dropped.
pub unsafe extern "C-unwind" fn end(node: *mut CustomScanState) {
    let state = node.cast::<ScanState>();
    // SAFETY: begun by `begin`; nothing droppable lives in this frame.
    unsafe {
        entry(|| (&mut *(*state).inner).restart());
        if !(*state).child.is_null() {
            raw::ExecEndNode((*state).child);
        }
    }
}

/// Runs again from the beginning.
pub unsafe extern "C-unwind" fn rescan(node: *mut CustomScanState) {
    let state = node.cast::<ScanState>();
    // SAFETY: as in `end`.
    unsafe {
        entry(|| (&mut *(*state).inner).restart());
        (*state).child_done = false;
        if !(*state).child.is_null() {
            raw::ExecReScan((*state).child);
        }
    }
}
