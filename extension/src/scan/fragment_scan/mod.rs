//! The custom scan that runs a fragment on its nodes.
//!
//! # How it works
//! `state` has the scan's life (begin, rescan, end), `exec` gives the rows: the statement goes to all other nodes first,
//! then this node's own fragment runs in-process (`local`), then rows are taken from whichever node has some. `decode`
//! turns wire values into datums, `params` evaluates what is sent along, `explain` shows it.
//!
//! # Invariants
//! The node list and the ownership conditions come from the metadata at the start of each execution.

pub mod decode;
pub mod exec;
pub mod explain;
pub mod local;
pub mod params;
pub mod state;

use crate::scan::custom::{methods, Methods};
use pgrx::pg_sys::*;

/// PostgreSQL's functions that are called with nothing droppable on the stack, and so without a guard.
pub mod raw {
    use pgrx::pg_sys::*;
    use std::os::raw::{c_char, c_int};

    extern "C-unwind" {
        pub fn ExecScan(
            node: *mut ScanState,
            access: ExecScanAccessMtd,
            recheck: ExecScanRecheckMtd,
        ) -> *mut TupleTableSlot;
        pub fn ExecScanReScan(node: *mut ScanState);
        pub fn standard_ExecutorFinish(query: *mut QueryDesc);
        pub fn standard_ExecutorEnd(query: *mut QueryDesc);
        pub fn FreeQueryDesc(query: *mut QueryDesc);
        pub fn MemoryContextReset(context: MemoryContext);
        pub fn ExecStoreVirtualTuple(slot: *mut TupleTableSlot) -> *mut TupleTableSlot;
        pub fn slot_getsomeattrs_int(slot: *mut TupleTableSlot, count: i32);
        pub fn ReceiveFunctionCall(
            function: *mut FmgrInfo,
            buffer: StringInfo,
            io_param: Oid,
            typmod: i32,
        ) -> Datum;
        pub fn InputFunctionCall(
            function: *mut FmgrInfo,
            text: *mut c_char,
            io_param: Oid,
            typmod: i32,
        ) -> Datum;
        pub fn palloc(size: usize) -> *mut std::ffi::c_void;
        pub fn PushActiveSnapshot(snapshot: Snapshot);
        pub fn PopActiveSnapshot();
        pub fn GetUserIdAndSecContext(user: *mut Oid, security: *mut c_int);
        pub fn SetUserIdAndSecContext(user: Oid, security: c_int);
        pub fn bms_next_member(set: *const Bitmapset, previous: c_int) -> c_int;
    }
}

static SCAN_METHODS: Methods = methods(c"Fragments", state::create);

/// What a plan node points to.
pub fn scan_methods() -> *const CustomScanMethods {
    &SCAN_METHODS.0
}

/// Lets stored plans be read back; called once at load.
pub fn register() {
    // SAFETY: the methods are static.
    unsafe { RegisterCustomScanMethods(scan_methods()) };
}
