//! Spread: keeps this node's rows and hands the others out.

use crate::pg::entry::{entry, guarded};
use crate::pg::list::nodes;
use crate::pg::memory::keep;
use crate::pg::raw;
use crate::pg::tree::NodeRef;
use crate::plan::private;
use crate::scan::custom;
use crate::scan::custom::ExecMethods;
use crate::scan::distribute_scan::outbox::Outbox;
use crate::scan::rows::to_text;
use pgrx::pg_sys::{self, CustomScan, CustomScanState, EState, Node, PlanState, TupleTableSlot};

static EXEC: ExecMethods = custom::exec_methods(c"Spread", begin, next, end, rescan, None);

/// What PostgreSQL sees, with our part behind it.
#[repr(C)]
pub struct SpreadState {
    custom: CustomScanState,
    source: *mut PlanState,
    pub outbox: *mut Outbox,
    /// Expressions of the outbox's parameters; null when there are none, and once they have been computed.
    parameters: *mut pg_sys::List,
}

pub unsafe extern "C-unwind" fn create(_scan: *mut CustomScan) -> *mut Node {
    // SAFETY: zeroed memory is a valid state before Begin.
    unsafe { custom::new_state::<SpreadState>(&EXEC) }
}

unsafe extern "C-unwind" fn begin(node: *mut CustomScanState, estate: *mut EState, flags: i32) {
    let state = node.cast::<SpreadState>();
    // SAFETY: the state that `create` made; the source is the first of the custom plans; nothing droppable lives in this
    // frame while ExecInitNode runs.
    unsafe {
        let scan = (*node).ss.ps.plan.cast::<CustomScan>();
        (*state).source = custom::begin_child(node, estate, flags);
        entry(|| {
            let descriptor = (*(*node).ss.ss_ScanTupleSlot).tts_tupleDescriptor;
            (*state).outbox = keep(Outbox::new(
                private::from_scan(NodeRef::present(scan)),
                descriptor,
            ));
            let own = std::ptr::addr_of_mut!((*node).ss.ps);
            (*state).parameters = pg_sys::ExecInitExprList((*scan).custom_exprs, own);
        });
    }
}

/// The next row of this node.
unsafe extern "C-unwind" fn next(node: *mut CustomScanState) -> *mut TupleTableSlot {
    let state = node.cast::<SpreadState>();
    // SAFETY: begun by `begin`; the source is called by its own function pointer, with nothing droppable in this frame.
    unsafe {
        if !(*state).parameters.is_null() {
            entry(|| compute(state));
        }
        loop {
            let source = (*state).source;
            let slot = (*source).ExecProcNode.expect("a begun plan")(source);
            if slot.is_null() || (*slot).tts_flags & pg_sys::TTS_FLAG_EMPTY as u16 != 0 {
                return std::ptr::null_mut();
            }
            let here = entry(|| {
                let context = (*(*node).ss.ps.ps_ExprContext).ecxt_per_tuple_memory;
                pg_sys::MemoryContextReset(context);
                let old = pg_sys::MemoryContextSwitchTo(context);
                let here = (&mut *(*state).outbox).take(slot);
                pg_sys::MemoryContextSwitchTo(old);
                here
            });
            if here {
                return slot;
            }
        }
    }
}

/// Computes what goes along with the rows.
unsafe fn compute(state: *mut SpreadState) {
    // SAFETY: ready expressions without columns; the guard keeps an error in them from jumping over this frame.
    unsafe {
        let context = (*state).custom.ss.ps.ps_ExprContext;
        let parameters = &mut (*(*state).outbox).parameters;
        for ready in nodes::<pg_sys::ExprState>((*state).parameters) {
            let kind = pg_sys::exprType((*ready).expr.cast());
            let evaluate = (*ready).evalfunc.expect("a ready expression");
            let mut null = false;
            let value = guarded(|| evaluate(ready, context, &mut null));
            let known = kind.to_u32() < pg_sys::FirstNormalObjectId;
            parameters
                .0
                .push(if known { kind } else { pg_sys::InvalidOid });
            parameters.1.push((!null).then(|| to_text(value, kind)));
        }
        (*state).parameters = std::ptr::null_mut();
    }
}

unsafe extern "C-unwind" fn end(node: *mut CustomScanState) {
    let state = node.cast::<SpreadState>();
    // SAFETY: begun by `begin`; nothing droppable lives in this frame.
    unsafe {
        if !(*state).source.is_null() {
            raw::ExecEndNode((*state).source);
        }
    }
}

unsafe extern "C-unwind" fn rescan(node: *mut CustomScanState) {
    let state = node.cast::<SpreadState>();
    // SAFETY: begun by `begin`; a ModifyTable is never run again, but its source may be.
    unsafe { raw::ExecReScan((*state).source) }
}
