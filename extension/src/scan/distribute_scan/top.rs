//! Distribute: waits for the other nodes once this node's rows are inserted.

use crate::pg::entry::entry;
use crate::pg::raw;
use crate::scan::custom;
use crate::scan::custom::ExecMethods;
use crate::scan::distribute_scan::spread::SpreadState;
use crate::scan::rows::Decoder;
use pgrx::pg_sys::{self, CustomScan, CustomScanState, EState, Node, PlanState, TupleTableSlot};

static EXEC: ExecMethods = custom::exec_methods(c"Distribute", begin, next, end, rescan, None);

/// What PostgreSQL sees, with our part behind it.
#[repr(C)]
struct TopState {
    custom: CustomScanState,
    modify: *mut PlanState,
    spread: *mut SpreadState,
    modify_done: bool,
    flushed: bool,
    decoder: *mut Decoder,
}

pub unsafe extern "C-unwind" fn create(_scan: *mut CustomScan) -> *mut Node {
    // SAFETY: zeroed memory is a valid state before Begin.
    unsafe { custom::new_state::<TopState>(&EXEC) }
}

unsafe extern "C-unwind" fn begin(node: *mut CustomScanState, estate: *mut EState, flags: i32) {
    let state = node.cast::<TopState>();
    // SAFETY: the child is the ModifyTable that planner::distribute left there, and its source is Spread.
    unsafe {
        (*state).modify = custom::begin_child(node, estate, flags);
        (*state).spread = (*(*state).modify).lefttree.cast();
    }
}

/// What this node's rows return, then what the others' do.
unsafe extern "C-unwind" fn next(node: *mut CustomScanState) -> *mut TupleTableSlot {
    let state = node.cast::<TopState>();
    // SAFETY: begun by `begin`; ModifyTable is called by its own function pointer, with nothing droppable in this frame.
    unsafe {
        if !(*state).modify_done {
            let modify = (*state).modify;
            let slot = (*modify).ExecProcNode.expect("a begun plan")(modify);
            if !slot.is_null() && (*slot).tts_flags & pg_sys::TTS_FLAG_EMPTY as u16 == 0 {
                return slot;
            }
            (*state).modify_done = true;
        }
        if entry(|| next_of_others(state)) {
            (*node).ss.ss_ScanTupleSlot
        } else {
            std::ptr::null_mut()
        }
    }
}

unsafe fn next_of_others(state: *mut TopState) -> bool {
    // SAFETY: Spread's outbox lives as long as the query.
    unsafe {
        let node = std::ptr::from_mut(&mut (*state).custom);
        let outbox = &mut *(*(*state).spread).outbox;
        if !std::mem::replace(&mut (*state).flushed, true) {
            outbox.flush();
        }
        while let Some(stream) = outbox.streams.front_mut() {
            if stream.advance() {
                if outbox.replicated() {
                    continue;
                }
                let slot = (*node).ss.ss_ScanTupleSlot;
                let context = (*(*node).ss.ps.ps_ExprContext).ecxt_per_tuple_memory;
                if (*state).decoder.is_null() {
                    // Small, and of the query's lifetime; what it owns on the Rust heap is freed with the backend.
                    let decoder = Decoder::new((*slot).tts_tupleDescriptor, outbox.binary());
                    (*state).decoder = Box::into_raw(Box::new(decoder));
                }
                pg_sys::MemoryContextReset(context);
                let old = pg_sys::MemoryContextSwitchTo(context);
                if let Some(stream) = outbox.streams.front() {
                    (&mut *(*state).decoder).store(stream, slot);
                }
                pg_sys::MemoryContextSwitchTo(old);
                return true;
            }
            outbox.affected += stream.affected();
            outbox.streams.pop_front();
        }
        if !outbox.replicated() {
            (*(*node).ss.ps.state).es_processed += std::mem::take(&mut outbox.affected);
        }
        false
    }
}

unsafe extern "C-unwind" fn end(node: *mut CustomScanState) {
    let state = node.cast::<TopState>();
    // SAFETY: begun by `begin`; the decoder was boxed by `next_of_others`.
    unsafe {
        if !(*state).decoder.is_null() {
            let decoder = std::mem::replace(&mut (*state).decoder, std::ptr::null_mut());
            entry(|| drop(Box::from_raw(decoder)));
        }
        raw::ExecEndNode((*state).modify);
    }
}

unsafe extern "C-unwind" fn rescan(_node: *mut CustomScanState) {}
