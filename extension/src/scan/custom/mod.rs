//! What all custom scans have in common: who owns their state, and how PostgreSQL's executor calls them.
//!
//! # How it works
//! The executor knows a scan as a C structure with a table of functions. [`State`] is that structure with a pointer behind it
//! to the scan's own value, a [`Scan`]; the functions are made once for each type, and call the value's methods inside of
//! [`entry`]. A scan whose rows come from a plan below it is a [`over_child::OverChild`].
//!
//! # Invariants
//! The scan's value exists from the end of its `begin` until the query's memory goes.
//!
//! # Unwind safety
//! The value is dropped by a callback of the query's memory context, so that an error drops it too.

pub mod over_child;

use crate::pg::entry::entry;
use crate::pg::executor::explanation::Explanation;
use crate::pg::executor::plan_node::PlanNode;
use crate::pg::executor::scan_node::ScanNode;
use pgrx::pg_sys::{
    self, CustomExecMethods, CustomScan, CustomScanMethods, CustomScanState, EState, ExplainState,
    List, Node, TupleTableSlot,
};
use std::ffi::CStr;
use std::marker::PhantomData;

/// A custom scan while it runs.
pub trait Scan: Sized + 'static {
    /// The executor's functions that give its rows: [`over_child::callbacks`], or its own.
    const CALLBACKS: Callbacks;

    /// The executor begins the scan, by these flags (`EXEC_FLAG_...`).
    fn begin(node: ScanNode<'_>, flags: i32) -> Self;

    /// Adds to what EXPLAIN shows.
    fn explain(&self, _node: ScanNode<'_>, _output: &mut Explanation<'_>) {}
}

type OnNode = unsafe extern "C-unwind" fn(*mut CustomScanState);

/// Functions that the executor calls.
pub struct Callbacks {
    pub begin: unsafe extern "C-unwind" fn(*mut CustomScanState, *mut EState, i32),
    pub next: unsafe extern "C-unwind" fn(*mut CustomScanState) -> *mut TupleTableSlot,
    pub end: OnNode,
    pub rescan: OnNode,
}

/// What PostgreSQL sees of a scan, with ours behind it. All-zero bytes are a scan that has not begun.
#[repr(C)]
struct State<S> {
    custom: CustomScanState,
    scan: *mut S,
    /// The plan below it; see [`over_child`].
    child: over_child::Child,
}

/// The name and functions of the scan `S`. The table is read by several processes of one image and never written.
pub struct Methods<S>(CustomScanMethods, PhantomData<fn() -> S>);

// SAFETY: immutable, and backends have one thread.
unsafe impl<S> Sync for Methods<S> {}

impl<S: Scan> Methods<S> {
    /// Under the name that EXPLAIN shows.
    pub const fn new(name: &'static CStr) -> Methods<S> {
        let methods = CustomScanMethods {
            CustomName: name.as_ptr(),
            CreateCustomScanState: Some(create::<S>),
        };
        Methods(methods, PhantomData)
    }

    /// What a plan's node points to.
    pub fn table(&'static self) -> &'static CustomScanMethods {
        &self.0
    }

    /// Is it the scan of this plan's node?
    pub fn are_of(&'static self, plan: &CustomScan) -> bool {
        std::ptr::eq(plan.methods, &self.0)
    }

    /// Reads the value of a running plan that is such a scan; `None` when it is not.
    pub fn read<T>(&'static self, plan: PlanNode, read: impl FnOnce(&S) -> T) -> Option<T> {
        let node = plan.custom_scan()?;
        // SAFETY: a plan with these methods has a state that `create` has made for `S`, and has begun.
        unsafe {
            let ours = self.are_of(&ScanNode::new(node).plan());
            ours.then(|| read(scan_of::<S>(node)))
        }
    }

    /// Makes the name known to PostgreSQL, which looks it up when it reads a plan back; called once at load.
    pub fn register(&'static self) {
        // SAFETY: the table lives as long as the library.
        unsafe { pg_sys::RegisterCustomScanMethods(&self.0) };
    }
}

/// The functions of a running scan of type `S`.
struct Running<S>(PhantomData<S>);

impl<S: Scan> Running<S> {
    const METHODS: CustomExecMethods = CustomExecMethods {
        CustomName: c"Expanse".as_ptr(),
        BeginCustomScan: Some(S::CALLBACKS.begin),
        ExecCustomScan: Some(S::CALLBACKS.next),
        EndCustomScan: Some(S::CALLBACKS.end),
        ReScanCustomScan: Some(S::CALLBACKS.rescan),
        MarkPosCustomScan: None,
        RestrPosCustomScan: None,
        EstimateDSMCustomScan: None,
        InitializeDSMCustomScan: None,
        ReInitializeDSMCustomScan: None,
        InitializeWorkerCustomScan: None,
        ShutdownCustomScan: None,
        ExplainCustomScan: Some(explain::<S>),
    };
}

unsafe extern "C-unwind" fn create<S: Scan>(_scan: *mut CustomScan) -> *mut Node {
    // SAFETY: zeroed memory is a valid state; PostgreSQL fills in the rest.
    entry(|| unsafe {
        let state = pg_sys::palloc0(std::mem::size_of::<State<S>>()).cast::<CustomScanState>();
        (*state).ss.ps.type_ = pg_sys::NodeTag::T_CustomScanState;
        (*state).methods = &Running::<S>::METHODS;
        state.cast()
    })
}

/// Begins the scan's value.
///
/// # Safety
/// `node` is one that `create` has made for `S`, and PostgreSQL begins it.
pub unsafe extern "C-unwind" fn begin<S: Scan>(
    node: *mut CustomScanState,
    _estate: *mut EState,
    flags: i32,
) {
    // SAFETY: as the caller promises.
    entry(|| unsafe {
        let scan = ScanNode::new(node);
        (*node.cast::<State<S>>()).scan = scan.query_memory().keep(S::begin(scan, flags));
    });
}

unsafe extern "C-unwind" fn explain<S: Scan>(
    node: *mut CustomScanState,
    _ancestors: *mut List,
    output: *mut ExplainState,
) {
    // SAFETY: PostgreSQL explains a scan that has begun.
    let (scan, node, mut output) = unsafe {
        (
            scan_of::<S>(node),
            ScanNode::new(node),
            Explanation::new(output),
        )
    };
    entry(|| scan.explain(node, &mut output));
}

/// The scan's value.
///
/// # Safety
/// `node` is one that `create` has made for `S`, and has begun; no other reference to it is used meanwhile.
pub unsafe fn scan_of<'a, S: Scan>(node: *mut CustomScanState) -> &'a mut S {
    // SAFETY: as the caller promises.
    unsafe { &mut *(*node.cast::<State<S>>()).scan }
}
