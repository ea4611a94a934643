//! The life of a fragment scan: begin, rescan, end.
//!
//! # Unwind safety
//! The Rust side ([`Run`]: streams and decoders) is owned by the query's memory context through a reset callback, so
//! that an error drops it as well.

use crate::dispatch::stream::Stream;
use crate::pg::entry::entry;
use crate::pg::tree::NodeRef;
use crate::plan::fragment::Plan;
use crate::scan::custom::{exec_methods, new_state, ExecMethods};
use crate::scan::fragment_scan::decode::Decoder;
use crate::scan::fragment_scan::{exec, explain, local, params};
use crate::scan::pending;
use crate::scan::pending::Pending;
use crate::snapshot::agree::Agreement;
use pgrx::pg_sys::*;
use std::ffi::c_void;
use std::os::raw::c_int;

/// What one node delivered, for EXPLAIN ANALYZE.
#[derive(Debug, Clone, Default)]
pub struct Delivered {
    pub node: i32,
    pub rows: u64,
    pub bytes: u64,
    pub milliseconds: f64,
}

/// The Rust side of a scan.
pub struct Run {
    pub plan: Plan,
    pub query: *mut Query,
    pub streams: Vec<Stream>,
    pub decoders: Vec<Decoder>,
    /// Index in the scan's row of each result column.
    pub places: Vec<usize>,
    pub shared: bool,
    /// Holds the snapshots that the nodes agreed on.
    pub agreement: Option<Agreement>,
    pub delivered: Vec<Delivered>,
    pub started_at: Option<std::time::Instant>,
    /// The subtransaction in which the scan began.
    pub begun_in: SubTransactionId,
    /// Until it starts.
    pub pending: Option<Pending>,
    pub instrument: bool,
}

/// PostgreSQL's state with ours behind it.
#[repr(C)]
pub struct FragmentScanState {
    pub css: CustomScanState,
    pub run: *mut Run,
    pub started: bool,
    /// It was to start before its first row was asked for, and could not.
    pub failed: bool,
    /// This node's own fragment while it runs.
    pub local: *mut QueryDesc,
    pub param_states: *mut List,
    pub param_list: ParamListInfo,
    pub param_context: MemoryContext,
    /// Lives as long as one execution of the fragment.
    pub run_context: MemoryContext,
    /// Values of the current row.
    pub row_context: MemoryContext,
}

static METHODS: ExecMethods = exec_methods(
    c"Fragments",
    begin,
    exec::execute,
    end,
    rescan,
    Some(explain::explain),
);

/// # Safety
/// Called by PostgreSQL's executor with one of our plan nodes.
pub unsafe extern "C-unwind" fn create(_scan: *mut CustomScan) -> *mut Node {
    // SAFETY: zeroed memory is a valid state; PostgreSQL fills the rest.
    entry(|| unsafe { new_state::<FragmentScanState>(&METHODS) })
}

unsafe extern "C-unwind" fn begin(node: *mut CustomScanState, estate: *mut EState, eflags: c_int) {
    // SAFETY: PostgreSQL passes the state made by `create`, in the query's memory context.
    entry(|| unsafe { prepare(node.cast(), estate, eflags) });
}

unsafe fn prepare(state: *mut FragmentScanState, estate: *mut EState, eflags: c_int) {
    // SAFETY: as the caller promises.
    unsafe {
        let scan = (*state).css.ss.ps.plan.cast::<CustomScan>();
        let (plan, query) = Plan::load(NodeRef::present(scan));
        let slot = (*state).css.ss.ss_ScanTupleSlot;
        if !(*state).css.ss.ss_currentRelation.is_null() {
            (*slot).tts_tableOid = (*(*state).css.ss.ss_currentRelation).rd_id;
        }
        let descriptor = (*slot).tts_tupleDescriptor;
        let base = (*scan).scan.scanrelid > 0;
        let places: Vec<usize> = if base {
            plan.attributes.iter().map(|&n| n as usize - 1).collect()
        } else {
            (0..(*descriptor).natts as usize).collect()
        };
        let attributes = (*descriptor).attrs.as_ptr();
        let decoders = places
            .iter()
            .map(|&place| {
                let attribute = &*attributes.add(place);
                Decoder::new(attribute.atttypid, attribute.atttypmod, plan.binary)
            })
            .collect();
        params::prepare(state, (*scan).custom_exprs);
        (*state).run_context = context(c"fragment run");
        (*state).row_context = context(c"fragment row");
        let run = Run {
            shared: shares_statement(estate) || !(*scan).scan.plan.extParam.is_null(),
            agreement: None,
            plan,
            query: query.as_ptr(),
            streams: Vec::new(),
            decoders,
            places,
            delivered: Vec::new(),
            started_at: None,
            begun_in: GetCurrentSubTransactionId(),
            pending: pending::add(state.cast(), eflags, exec::start_early),
            instrument: (*estate).es_instrument != 0,
        };
        (*state).run = own(run, (*estate).es_query_cxt);
    }
}

unsafe fn context(name: &'static std::ffi::CStr) -> MemoryContext {
    // SAFETY: a child of the current context.
    unsafe {
        AllocSetContextCreateInternal(
            CurrentMemoryContext,
            name.as_ptr(),
            ALLOCSET_DEFAULT_MINSIZE as usize,
            ALLOCSET_DEFAULT_INITSIZE as usize,
            ALLOCSET_DEFAULT_MAXSIZE as usize,
        )
    }
}

/// Gives the run to a memory context, which drops it.
unsafe fn own(run: Run, context: MemoryContext) -> *mut Run {
    let run = Box::into_raw(Box::new(run));
    // SAFETY: the callback lives in the context itself and is called once, when that goes.
    unsafe {
        let callback = MemoryContextAlloc(context, std::mem::size_of::<MemoryContextCallback>())
            .cast::<MemoryContextCallback>();
        callback.write(MemoryContextCallback {
            func: Some(forget),
            arg: run.cast(),
            next: std::ptr::null_mut(),
        });
        MemoryContextRegisterResetCallback(context, callback);
    }
    run
}

unsafe extern "C-unwind" fn forget(run: *mut c_void) {
    // SAFETY: made by `own`, and called once.
    drop(unsafe { Box::from_raw(run.cast::<Run>()) });
}

/// Does the statement name more than one distributed table? Then its reads share a snapshot on each node.
unsafe fn shares_statement(estate: *mut EState) -> bool {
    let Some(metadata) = crate::metadata::cache::metadata() else {
        return true;
    };
    // SAFETY: the range table of the running statement.
    unsafe {
        let tables = crate::pg::nodes::items::<RangeTblEntry>((*estate).es_range_table)
            .filter(|&rte| {
                metadata
                    .table((*rte).relid)
                    .is_some_and(|table| table.distribution_column().is_some())
            })
            .count();
        tables > 1
    }
}

unsafe extern "C-unwind" fn rescan(node: *mut CustomScanState) {
    let state = node.cast::<FragmentScanState>();
    // SAFETY: PostgreSQL passes a scan that has begun.
    unsafe {
        stop(state);
        crate::pg::raw::ExecScanReScan(std::ptr::addr_of_mut!((*node).ss));
    }
}

unsafe extern "C-unwind" fn end(node: *mut CustomScanState) {
    // SAFETY: PostgreSQL passes a scan that has begun.
    unsafe { stop(node.cast()) };
}

/// Ends the running execution, if any.
unsafe fn stop(state: *mut FragmentScanState) {
    // SAFETY: nothing droppable lives in this frame while the local fragment is ended.
    unsafe {
        if !(*state).local.is_null() {
            let local = (*state).local;
            (*state).local = std::ptr::null_mut();
            local::end(local);
        }
        if (*state).started {
            (*state).started = false;
            entry(|| {
                let run = &mut *(*state).run;
                run.streams.clear();
                run.agreement = None;
            });
            crate::pg::raw::MemoryContextReset((*state).run_context);
        }
    }
}
