//! What all custom scans have in common: tables of methods, their state, and the child of those over a child plan.

use crate::pg::entry::entry;
use crate::pg::raw;
use pgrx::pg_sys::{
    self, CustomExecMethods, CustomScan, CustomScanMethods, CustomScanState, EState, ExplainState,
    List, Node, PlanState, TupleTableSlot,
};
use std::ffi::CStr;

/// Method tables are read by several processes of one image and never written.
pub struct Methods(pub CustomScanMethods);
// SAFETY: immutable, and backends have one thread.
unsafe impl Sync for Methods {}

/// The same of a running scan.
pub struct ExecMethods(pub CustomExecMethods);
// SAFETY: as above.
unsafe impl Sync for ExecMethods {}

/// What EXPLAIN calls for a scan.
pub type Explain = unsafe extern "C-unwind" fn(*mut CustomScanState, *mut List, *mut ExplainState);

/// The methods of a plan's scan, under the name that EXPLAIN shows.
pub const fn methods(
    name: &'static CStr,
    create: unsafe extern "C-unwind" fn(*mut CustomScan) -> *mut Node,
) -> Methods {
    Methods(CustomScanMethods {
        CustomName: name.as_ptr(),
        CreateCustomScanState: Some(create),
    })
}

/// The methods of a running scan, of which only the usual ones are set.
pub const fn exec_methods(
    name: &'static CStr,
    begin: unsafe extern "C-unwind" fn(*mut CustomScanState, *mut EState, i32),
    next: unsafe extern "C-unwind" fn(*mut CustomScanState) -> *mut TupleTableSlot,
    end: unsafe extern "C-unwind" fn(*mut CustomScanState),
    rescan: unsafe extern "C-unwind" fn(*mut CustomScanState),
    explain: Option<Explain>,
) -> ExecMethods {
    ExecMethods(CustomExecMethods {
        CustomName: name.as_ptr(),
        BeginCustomScan: Some(begin),
        ExecCustomScan: Some(next),
        EndCustomScan: Some(end),
        ReScanCustomScan: Some(rescan),
        MarkPosCustomScan: None,
        RestrPosCustomScan: None,
        EstimateDSMCustomScan: None,
        InitializeDSMCustomScan: None,
        ReInitializeDSMCustomScan: None,
        InitializeWorkerCustomScan: None,
        ShutdownCustomScan: None,
        ExplainCustomScan: explain,
    })
}

/// A zeroed state of a scan.
///
/// # Safety
/// `T` is `repr(C)`, begins with a [`CustomScanState`] and is valid when zeroed.
pub unsafe fn new_state<T>(methods: &'static ExecMethods) -> *mut Node {
    // SAFETY: as the caller promises; palloc0 gives zeroed memory of the size, or raises.
    unsafe {
        let state = pg_sys::palloc0(std::mem::size_of::<T>()).cast::<CustomScanState>();
        (*state).ss.ps.type_ = pg_sys::NodeTag::T_CustomScanState;
        (*state).methods = &methods.0;
        state.cast()
    }
}

/// Begins the first of the scan's plans.
///
/// # Safety
/// Called at the beginning of a scan that has one, with nothing droppable in the frames of the callers.
pub unsafe fn begin_child(
    node: *mut CustomScanState,
    estate: *mut EState,
    flags: i32,
) -> *mut PlanState {
    // SAFETY: as the caller promises.
    unsafe {
        let scan = (*node).ss.ps.plan.cast::<CustomScan>();
        let plan = (*(*(*scan).custom_plans).elements).ptr_value.cast();
        let child = raw::ExecInitNode(plan, estate, flags);
        entry(|| (*node).custom_ps = pg_sys::lappend(std::ptr::null_mut(), child.cast()));
        child
    }
}
