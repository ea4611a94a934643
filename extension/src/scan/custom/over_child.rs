//! Scans over a plan: what comes before its rows, what becomes of them, and what comes after.
//!
//! # How it works
//! The plan below is run by plain function pointers outside of [`entry`], so that its errors reach PostgreSQL's handler as
//! they are. What a scan of ours has to do in between is asked for by a plain test or a constant first: a row that only
//! passes through costs no `entry`.

use crate::pg::entry::entry;
use crate::pg::executor::plan_node::{PlanNode, VisibleColumns};
use crate::pg::executor::scan_node::ScanNode;
use crate::pg::executor::slot::Slot;
use crate::scan::custom::{begin as begin_scan, scan_of, Callbacks, Scan, State};
use pgrx::pg_sys::{CustomScanState, EState, TupleTableSlot};

/// A scan over the first of its plans. Everything but [`OverChild::is_due`] is called inside of [`entry`].
pub trait OverChild: Scan {
    /// Its rows have no columns that the plan hides from its reader.
    const HIDES_COLUMNS: bool = false;
    /// [`OverChild::takes`] decides about the plan's rows.
    const CHOOSES: bool = false;

    /// Does the plan take part? Asked when the scan has begun.
    fn runs_child(&self) -> bool {
        true
    }

    /// The plan has begun.
    fn child_begun(&mut self, _node: ScanNode<'_>, _child: PlanNode) {}

    /// Has [`OverChild::prepare`] anything to do? Must not fail.
    fn is_due(&self) -> bool {
        false
    }

    /// The plan is about to be asked for a row.
    fn prepare(&mut self, _node: ScanNode<'_>) {}

    /// True when the plan's row is one of the scan's.
    fn takes(&mut self, _node: ScanNode<'_>, _row: Slot) -> bool {
        true
    }

    /// The plan has given its last row.
    fn child_ended(&mut self) {}

    /// Puts the next row that comes after the plan's into the scan's own slot; false at the end.
    fn own_row(&mut self, _node: ScanNode<'_>) -> bool {
        false
    }

    /// The scan runs from the beginning again, and its plan with it.
    fn restart(&mut self) {}

    /// The scan ends, before its plan does.
    fn end(&mut self) {}
}

/// The plan below a scan. All-zero bytes are none.
#[derive(Clone, Copy)]
pub struct Child {
    node: Option<PlanNode>,
    visible: Option<VisibleColumns>,
    /// It has not given all of its rows.
    open: bool,
}

/// The executor's functions for a scan over a plan.
pub const fn callbacks<S: OverChild>() -> Callbacks {
    Callbacks {
        begin: begin::<S>,
        next: next::<S>,
        end: end::<S>,
        rescan: rescan::<S>,
    }
}

unsafe extern "C-unwind" fn begin<S: OverChild>(
    node: *mut CustomScanState,
    estate: *mut EState,
    flags: i32,
) {
    // SAFETY: PostgreSQL passes the state that was made for the scan; nothing droppable lives in this frame.
    unsafe {
        begin_scan::<S>(node, estate, flags);
        if !entry(|| scan_of::<S>(node).runs_child()) {
            return;
        }
        let Some(child) = PlanNode::begin_first(node, estate, flags) else {
            return;
        };
        (*node.cast::<State<S>>()).child = entry(|| {
            scan_of::<S>(node).child_begun(ScanNode::new(node), child);
            Child {
                node: Some(child),
                visible: S::HIDES_COLUMNS.then(|| child.visible_columns()).flatten(),
                open: true,
            }
        });
    }
}

unsafe extern "C-unwind" fn next<S: OverChild>(node: *mut CustomScanState) -> *mut TupleTableSlot {
    // SAFETY: begun by `begin`; the plan is run with nothing droppable in this frame.
    unsafe {
        let child = (*node.cast::<State<S>>()).child;
        while let (Some(plan), true) = (child.node, child.open) {
            if scan_of::<S>(node).is_due() {
                entry(|| scan_of::<S>(node).prepare(ScanNode::new(node)));
            }
            let Some(row) = plan.next() else {
                (*node.cast::<State<S>>()).child.open = false;
                entry(|| scan_of::<S>(node).child_ended());
                break;
            };
            if !S::CHOOSES || entry(|| scan_of::<S>(node).takes(ScanNode::new(node), row)) {
                return child
                    .visible
                    .map_or(row, |columns| columns.of(row))
                    .as_ptr();
            }
        }
        if entry(|| scan_of::<S>(node).own_row(ScanNode::new(node))) {
            return ScanNode::new(node).slot().as_ptr();
        }
    }
    std::ptr::null_mut()
}

unsafe extern "C-unwind" fn end<S: OverChild>(node: *mut CustomScanState) {
    // SAFETY: begun by `begin`; nothing droppable lives in this frame.
    unsafe {
        entry(|| scan_of::<S>(node).end());
        if let Some(plan) = (*node.cast::<State<S>>()).child.node {
            plan.end();
        }
    }
}

unsafe extern "C-unwind" fn rescan<S: OverChild>(node: *mut CustomScanState) {
    // SAFETY: begun by `begin`; nothing droppable lives in this frame.
    unsafe {
        entry(|| scan_of::<S>(node).restart());
        let child = &raw mut (*node.cast::<State<S>>()).child;
        if let Some(plan) = (*child).node {
            (*child).open = true;
            plan.rescan();
        }
    }
}
