//! The executor's calls.
//!
//! # Unwind safety
//! This node's own fragment, the functions of parameters and those that read values run outside of [`entry`], with nothing
//! droppable on the stack.

use crate::pg::entry::entry;
use crate::pg::executor::scan_node::ScanNode;
use crate::pg::raw;
use crate::scan::custom::{begin, scan_of, Callbacks};
use crate::scan::fragment_scan::state::FragmentScan;
use pgrx::pg_sys::{CustomScanState, ScanState, TupleTableSlot};

pub const CALLBACKS: Callbacks = Callbacks {
    begin: begin::<FragmentScan>,
    next: execute,
    end,
    rescan,
};

/// The scan's row after PostgreSQL's own conditions and projection.
unsafe extern "C-unwind" fn execute(node: *mut CustomScanState) -> *mut TupleTableSlot {
    // SAFETY: PostgreSQL's own function over our scan.
    unsafe { raw::ExecScan(&raw mut (*node).ss, Some(next), Some(recheck)) }
}

/// Conditions are part of the fragment or checked by PostgreSQL.
unsafe extern "C-unwind" fn recheck(_node: *mut ScanState, _slot: *mut TupleTableSlot) -> bool {
    true
}

/// The next row of this node, then of whichever other node has some; an empty slot at the end.
unsafe extern "C-unwind" fn next(node: *mut ScanState) -> *mut TupleTableSlot {
    let node = node.cast::<CustomScanState>();
    // SAFETY: the scan has begun; nothing droppable lives in this frame.
    unsafe {
        let slot = ScanNode::new(node).slot();
        if !scan_of::<FragmentScan>(node).started {
            start(node);
        }
        if let Some(local) = scan_of::<FragmentScan>(node).local {
            if let Some(row) = local.next() {
                scan_of::<FragmentScan>(node).show_local(row, slot);
                return slot.as_ptr();
            }
            scan_of::<FragmentScan>(node).local = None;
            local.end();
            entry(|| scan_of::<FragmentScan>(node).local_has_ended());
        }
        match entry(|| scan_of::<FragmentScan>(node).advance()) {
            Some(stream) => scan_of::<FragmentScan>(node).show_remote(stream, slot),
            None => slot.clear(),
        }
        slot.as_ptr()
    }
}

/// Asks the nodes; also before the first row is wanted.
///
/// # Safety
/// The scan has begun and not started; nothing droppable lives in the callers' frames.
pub unsafe fn start(node: *mut CustomScanState) {
    // SAFETY: as the caller promises.
    unsafe {
        entry(|| scan_of::<FragmentScan>(node).begin_start());
        scan_of::<FragmentScan>(node).parameters.compute();
        entry(|| scan_of::<FragmentScan>(node).start(ScanNode::new(node)));
    }
}

unsafe extern "C-unwind" fn rescan(node: *mut CustomScanState) {
    // SAFETY: PostgreSQL passes a scan that has begun.
    unsafe {
        stop(node);
        raw::ExecScanReScan(&raw mut (*node).ss);
    }
}

unsafe extern "C-unwind" fn end(node: *mut CustomScanState) {
    // SAFETY: PostgreSQL passes a scan that has begun.
    unsafe { stop(node) };
}

/// Ends the running execution, if any.
///
/// # Safety
/// As for [`start`].
unsafe fn stop(node: *mut CustomScanState) {
    // SAFETY: as the caller promises.
    unsafe {
        if let Some(local) = scan_of::<FragmentScan>(node).local.take() {
            local.end();
        }
        entry(|| scan_of::<FragmentScan>(node).stop());
    }
}
