//! First: runs the writes of a WITH clause (or the DELETE half of a change of key) before the rest of the statement.
//!
//! # How it works
//! At the first row the sources run, one after the other, and keep what they return in this session's exchange
//! ([`crate::exchange`]). Then the child plan's rows pass through by plain function pointers.

use crate::exchange::deliver::{deliver, Value};
use crate::pg::entry::{entry, guarded};
use crate::pg::list::nodes;
use crate::pg::raw;
use crate::pg::tree::NodeRef;
use crate::plan::private;
use crate::plan::statement::Reading;
use crate::scan::custom;
use crate::scan::custom::{ExecMethods, Methods};
use pgrx::pg_sys::{
    self, CustomScan, CustomScanMethods, CustomScanState, EState, List, Node, PlanState,
    TupleTableSlot,
};

static FIRST: Methods = custom::methods(c"First", create);
static EXEC: ExecMethods = custom::exec_methods(c"First", begin, next, end, rescan, Some(explain));

/// What PostgreSQL sees, with our part behind it.
#[repr(C)]
struct FirstState {
    custom: CustomScanState,
    child: *mut PlanState,
    /// Evaluators of the sources' parameters, one source after the other.
    parameters: *mut List,
    done: bool,
}

/// The scan's methods.
pub fn methods() -> &'static CustomScanMethods {
    &FIRST.0
}

/// Makes the name known to PostgreSQL, which looks it up when it reads a plan back.
pub fn register() {
    // SAFETY: the table lives as long as the library.
    unsafe { pg_sys::RegisterCustomScanMethods(&FIRST.0) };
}

unsafe extern "C-unwind" fn create(_scan: *mut CustomScan) -> *mut Node {
    // SAFETY: zeroed memory is a valid state before Begin.
    unsafe { custom::new_state::<FirstState>(&EXEC) }
}

unsafe extern "C-unwind" fn begin(node: *mut CustomScanState, estate: *mut EState, flags: i32) {
    let state = node.cast::<FirstState>();
    // SAFETY: the state that `create` made, of a scan over one plan; nothing droppable lives in this frame.
    unsafe {
        (*state).child = custom::begin_child(node, estate, flags);
        entry(|| {
            let scan = (*node).ss.ps.plan.cast::<CustomScan>();
            let parent = std::ptr::from_mut(&mut (*node).ss.ps);
            (*state).parameters = pg_sys::ExecInitExprList((*scan).custom_exprs, parent);
        });
    }
}

unsafe extern "C-unwind" fn next(node: *mut CustomScanState) -> *mut TupleTableSlot {
    let state = node.cast::<FirstState>();
    // SAFETY: begun by `begin`; the child is called by its own function pointer, with nothing droppable in this frame.
    unsafe {
        if !(*state).done {
            (*state).done = true;
            entry(|| run(state));
        }
        let child = (*state).child;
        (*child).ExecProcNode.expect("a begun plan")(child)
    }
}

/// Runs the sources.
unsafe fn run(state: *mut FirstState) {
    // SAFETY: the plan is the one that planner::prior_writes made; expressions are ready.
    unsafe {
        let node = std::ptr::from_mut(&mut (*state).custom);
        let plan = NodeRef::present((*node).ss.ps.plan);
        let scan = plan.cast().expect("a custom scan");
        let readings: Vec<Reading> = private::from_scan(scan);
        let mut expressions = nodes::<pg_sys::ExprState>((*state).parameters);
        for reading in &readings {
            let values: Vec<Value> = expressions
                .by_ref()
                .take(reading.parameters)
                .map(|expression| value(node, expression))
                .collect();
            deliver(reading, &values, &[]);
        }
    }
}

unsafe fn value(node: *mut CustomScanState, expression: *mut pg_sys::ExprState) -> Value {
    // SAFETY: a ready expression without columns.
    unsafe {
        let compute = (*expression).evalfunc.expect("a ready expression");
        let context = (*node).ss.ps.ps_ExprContext;
        let mut null = false;
        let value = guarded(|| compute(expression, context, &mut null));
        Value {
            kind: pg_sys::exprType((*expression).expr.cast()),
            value: (!null).then_some(value),
        }
    }
}

unsafe extern "C-unwind" fn end(node: *mut CustomScanState) {
    // SAFETY: begun by `begin`; nothing droppable lives in this frame.
    unsafe { raw::ExecEndNode((*node.cast::<FirstState>()).child) }
}

/// The writes have happened; only what reads them runs again.
unsafe extern "C-unwind" fn rescan(node: *mut CustomScanState) {
    // SAFETY: as in `end`.
    unsafe { raw::ExecReScan((*node.cast::<FirstState>()).child) }
}

unsafe extern "C-unwind" fn explain(
    node: *mut CustomScanState,
    _ancestors: *mut List,
    output: *mut pg_sys::ExplainState,
) {
    entry(|| {
        // SAFETY: the plan is the one that planner::prior_writes made.
        let plan = unsafe { NodeRef::present((*node).ss.ps.plan) };
        let scan = plan.cast().expect("a custom scan");
        let readings: Vec<Reading> = private::from_scan(scan);
        for reading in &readings {
            // SAFETY: EXPLAIN's own state.
            unsafe {
                crate::scan::statement_scan::explain::show(c"Statement", &reading.sql, output)
            };
        }
    });
}
