//! PostgreSQL's functions without pgrx's guard: those that pgrx does not declare, and those whose error has to reach
//! PostgreSQL's own handler as it is.
//!
//! An error in them `longjmp`s to the nearest handler. They are called with nothing droppable on the stack, or below one
//! [`crate::pg::entry::guarded`]. Callbacks of PostgreSQL's walkers call only these: a guard between two Rust frames would
//! turn an error inside the callback into an abort.

use pgrx::pg_sys::*;
use std::ffi::c_void;
use std::os::raw::{c_char, c_int};

pub type Walker = unsafe extern "C-unwind" fn(*mut Node, *mut c_void) -> bool;
pub type Mutator = unsafe extern "C-unwind" fn(*mut Node, *mut c_void) -> *mut Node;
pub type Checker = unsafe extern "C-unwind" fn(Oid, *mut c_void) -> bool;

extern "C-unwind" {
    pub fn BeginCopyFrom(
        pstate: *mut ParseState,
        relation: Relation,
        condition: *mut Node,
        filename: *const c_char,
        program: bool,
        source: copy_data_source_cb,
        columns: *mut List,
        options: *mut List,
    ) -> CopyFromState;
    pub fn CopyFrom(state: CopyFromState) -> u64;
    pub fn CopyFromErrorCallback(state: *mut std::ffi::c_void);
    pub fn EndCopyFrom(state: CopyFromState);
    pub fn ExecEndNode(node: *mut PlanState);
    pub fn ExecFilterJunk(
        filter: *mut JunkFilter,
        slot: *mut TupleTableSlot,
    ) -> *mut TupleTableSlot;
    pub fn ExecInitNode(node: *mut Plan, estate: *mut EState, eflags: c_int) -> *mut PlanState;
    pub fn ExecReScan(node: *mut PlanState);
    pub fn ExecScan(
        node: *mut ScanState,
        access: ExecScanAccessMtd,
        recheck: ExecScanRecheckMtd,
    ) -> *mut TupleTableSlot;
    pub fn ExecScanReScan(node: *mut ScanState);
    pub fn ExecStoreVirtualTuple(slot: *mut TupleTableSlot) -> *mut TupleTableSlot;
    pub fn FreeQueryDesc(query: *mut QueryDesc);
    /// catalog/pg_attrdef.h: table and column that a default belongs to. Called in the same way.
    pub fn GetAttrDefaultColumnAddress(default: Oid) -> ObjectAddress;
    pub fn GetUserIdAndSecContext(user: *mut Oid, security: *mut c_int);
    pub fn InputFunctionCall(
        function: *mut FmgrInfo,
        text: *mut c_char,
        io_param: Oid,
        typmod: i32,
    ) -> Datum;
    pub fn MemoryContextReset(context: MemoryContext);
    pub fn NextCopyFrom(
        state: CopyFromState,
        context: *mut ExprContext,
        values: *mut Datum,
        nulls: *mut bool,
    ) -> bool;
    pub fn NextCopyFromRawFields(
        state: CopyFromState,
        fields: *mut *mut *mut c_char,
        count: *mut c_int,
    ) -> bool;
    pub fn PopActiveSnapshot();
    pub fn PushActiveSnapshot(snapshot: Snapshot);
    /// Handed to PostgreSQL as it is, which calls it below a guard of the caller's.
    pub fn RangeVarCallbackOwnsRelation(
        range: *const RangeVar,
        relation: Oid,
        before: Oid,
        argument: *mut std::ffi::c_void,
    );
    pub fn ReceiveFunctionCall(
        function: *mut FmgrInfo,
        buffer: StringInfo,
        io_param: Oid,
        typmod: i32,
    ) -> Datum;
    pub fn SetUserIdAndSecContext(user: Oid, security: c_int);
    pub fn ThrowErrorData(edata: *mut ErrorData);
    pub fn bms_next_member(set: *const Bitmapset, previous: c_int) -> c_int;
    pub fn check_functions_in_node(node: *mut Node, checker: Checker, context: *mut c_void)
        -> bool;
    pub fn enable_timeout_after(id: c_int, delay_ms: c_int);
    pub fn expression_tree_mutator(
        node: *mut Node,
        mutator: Mutator,
        context: *mut c_void,
    ) -> *mut Node;
    pub fn expression_tree_walker(node: *mut Node, walker: Walker, context: *mut c_void) -> bool;
    pub fn get_agg_clause_costs(
        root: *mut PlannerInfo,
        split: AggSplit::Type,
        costs: *mut AggClauseCosts,
    );
    pub fn get_relids_in_jointree(tree: *mut Node, include_joins: bool) -> Relids;
    pub fn palloc(size: usize) -> *mut std::ffi::c_void;
    pub fn query_tree_mutator(
        query: *mut Query,
        mutator: Mutator,
        context: *mut c_void,
        flags: i32,
    ) -> *mut Query;
    pub fn query_tree_walker(
        query: *mut Query,
        walker: Walker,
        context: *mut c_void,
        flags: i32,
    ) -> bool;
    pub fn slot_getsomeattrs_int(slot: *mut TupleTableSlot, count: i32);
    pub fn standard_ExecutorEnd(query: *mut QueryDesc);
    pub fn standard_ExecutorFinish(query: *mut QueryDesc);
    pub fn standard_ExecutorRun(
        query: *mut QueryDesc,
        direction: ScanDirection::Type,
        count: u64,
        once: bool,
    );
    pub fn standard_ExecutorStart(query: *mut QueryDesc, flags: c_int);
    pub fn standard_ProcessUtility(
        pstmt: *mut PlannedStmt,
        query_string: *const c_char,
        read_only_tree: bool,
        context: ProcessUtilityContext::Type,
        params: ParamListInfo,
        query_env: *mut QueryEnvironment,
        dest: *mut DestReceiver,
        qc: *mut QueryCompletion,
    );
    pub fn standard_planner(
        parse: *mut Query,
        query_string: *const c_char,
        cursor_options: c_int,
        bound_params: ParamListInfo,
    ) -> *mut PlannedStmt;
    /// parser/parse_utilcmd.h. An error in it `longjmp`s: called by way of [`crate::pg::entry::guarded`].
    pub fn transformIndexStmt(
        table: Oid,
        stmt: *mut IndexStmt,
        query_string: *const c_char,
    ) -> *mut IndexStmt;
}
