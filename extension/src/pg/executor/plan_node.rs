//! Plans that run below a scan.

use super::slot::Slot;
use crate::pg::entry::entry;
use crate::pg::raw;
use crate::pg::tree::NodeRef;
use pgrx::pg_sys::{
    self, CustomScan, CustomScanState, EState, JunkFilter, ModifyTableState, NodeTag, PlanState,
    Relation, TargetEntry,
};
use std::ptr::NonNull;

/// A plan's node that the executor has begun.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct PlanNode(NonNull<PlanState>);

impl PlanNode {
    /// Begins the first of a custom scan's plans.
    ///
    /// # Safety
    /// Called at the beginning of a scan that has one, with nothing droppable in the frames of the callers.
    pub unsafe fn begin_first(
        node: *mut CustomScanState,
        estate: *mut EState,
        flags: i32,
    ) -> Option<PlanNode> {
        // SAFETY: as the caller promises.
        unsafe {
            let scan = (*node).ss.ps.plan.cast::<CustomScan>();
            let plan = (*(*(*scan).custom_plans).elements).ptr_value.cast();
            let child = raw::ExecInitNode(plan, estate, flags);
            (*node).custom_ps = entry(|| pg_sys::lappend(std::ptr::null_mut(), child.cast()));
            NonNull::new(child).map(PlanNode)
        }
    }

    /// The next row; `None` at the end.
    ///
    /// # Safety
    /// Nothing droppable lives in the callers' frames.
    pub unsafe fn next(self) -> Option<Slot> {
        let node = self.0.as_ptr();
        // SAFETY: a begun plan; the rest as the caller promises.
        unsafe { Slot::with_row((*node).ExecProcNode.expect("a begun plan")(node)) }
    }

    /// # Safety
    /// Nothing droppable lives in the callers' frames; the node is not used afterwards.
    pub unsafe fn end(self) {
        // SAFETY: as the caller promises.
        unsafe { raw::ExecEndNode(self.0.as_ptr()) };
    }

    /// Begins from the start.
    ///
    /// # Safety
    /// Nothing droppable lives in the callers' frames.
    pub unsafe fn rescan(self) {
        // SAFETY: as the caller promises.
        unsafe { raw::ExecReScan(self.0.as_ptr()) };
    }

    /// The outer (left) plan below this one.
    pub fn left(self) -> Option<PlanNode> {
        // SAFETY: a begun plan (`begin_first`).
        NonNull::new(unsafe { self.0.as_ref() }.lefttree).map(PlanNode)
    }

    fn is(self, tag: NodeTag) -> bool {
        // SAFETY: a begun plan (`begin_first`).
        unsafe { self.0.as_ref() }.type_ == tag
    }

    /// The node as that of a custom scan, if it is one.
    pub fn custom_scan(self) -> Option<*mut CustomScanState> {
        self.is(NodeTag::T_CustomScanState)
            .then(|| self.0.as_ptr().cast())
    }

    /// The open tables that the node writes, if it is a ModifyTable.
    pub fn written_tables(self) -> Vec<Relation> {
        if !self.is(NodeTag::T_ModifyTableState) {
            return Vec::new();
        }
        // SAFETY: a begun ModifyTable, which has an array of its result relations.
        unsafe {
            let modify = self.0.cast::<ModifyTableState>().as_ref();
            (0..modify.mt_nrels as usize)
                .map(|at| (*modify.resultRelInfo.add(at)).ri_RelationDesc)
                .collect()
        }
    }

    /// What takes the plan's hidden columns away; `None` when it has none.
    pub fn visible_columns(self) -> Option<VisibleColumns> {
        // SAFETY: a begun plan (`begin_first`), its own target list and its query's table of slots.
        unsafe {
            let node = self.0.as_ref();
            let plan = NodeRef::new(node.plan)?;
            let hidden = |entry: NodeRef<TargetEntry>| entry.resjunk;
            if !plan.targets().iter().any(hidden) {
                return None;
            }
            let slot = pg_sys::ExecInitExtraTupleSlot(
                node.state,
                std::ptr::null_mut(),
                &raw const pg_sys::TTSOpsVirtual,
            );
            NonNull::new(pg_sys::ExecInitJunkFilter(plan.targets().as_ptr(), slot))
                .map(VisibleColumns)
        }
    }
}

/// Gives rows without their hidden columns.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct VisibleColumns(NonNull<JunkFilter>);

impl VisibleColumns {
    /// The row's visible columns, in a slot of this filter's.
    ///
    /// # Safety
    /// A row of the plan that the filter is for; nothing droppable lives in the callers' frames.
    pub unsafe fn of(self, row: Slot) -> Slot {
        // SAFETY: as the caller promises.
        let shown = unsafe { Slot::new(raw::ExecFilterJunk(self.0.as_ptr(), row.as_ptr())) };
        shown.unwrap_or(row)
    }
}
