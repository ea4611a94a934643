//! A query of ours that the executor runs in-process, below a scan.

use super::parameters::Parameters;
use super::slot::Slot;
use crate::pg::raw;
use crate::pg::tree::{NodeMut, NodeRef};
use pgrx::pg_sys::{self, PlannedStmt, Query, QueryDesc, Snapshot};
use std::ffi::CStr;

/// Plans a query, in the current memory context.
pub fn plan<'a>(
    query: NodeMut<'_, Query>,
    name: &'static CStr,
    parameters: Parameters,
) -> NodeRef<'a, PlannedStmt> {
    // SAFETY: a valid query of the caller's, which the planner may change.
    let planned = unsafe {
        let parameters = parameters.as_ptr();
        NodeRef::new(pg_sys::pg_plan_query(
            query.as_ptr(),
            name.as_ptr(),
            0,
            parameters,
        ))
    };
    planned.expect("a query has a plan")
}

/// A query that has started and not ended.
#[derive(Clone, Copy)]
pub struct RunningQuery(*mut QueryDesc);

impl RunningQuery {
    /// Starts a planned statement under the snapshot, in the current memory context.
    ///
    /// # Safety
    /// The snapshot is valid; it is copied.
    pub unsafe fn start(
        statement: NodeRef<'_, PlannedStmt>,
        name: &'static CStr,
        parameters: Parameters,
        snapshot: Snapshot,
    ) -> RunningQuery {
        // SAFETY: valid trees and parameters; the snapshot as the caller promises.
        unsafe {
            let description = pg_sys::CreateQueryDesc(
                statement.as_ptr(),
                name.as_ptr(),
                snapshot,
                std::ptr::null_mut(),
                pg_sys::None_Receiver,
                parameters.as_ptr(),
                std::ptr::null_mut(),
                0,
            );
            pg_sys::standard_ExecutorStart(description, 0);
            RunningQuery(description)
        }
    }

    /// The next row; `None` at the end.
    ///
    /// # Safety
    /// Not ended; nothing droppable lives in the callers' frames.
    pub unsafe fn next(self) -> Option<Slot> {
        // SAFETY: as the caller promises.
        unsafe {
            let outer = pg_sys::CurrentMemoryContext;
            pg_sys::CurrentMemoryContext = (*(*self.0).estate).es_query_cxt;
            let node = (*self.0).planstate;
            if !(*node).chgParam.is_null() {
                raw::ExecReScan(node);
            }
            let row = (*node).ExecProcNode.expect("a begun plan")(node);
            pg_sys::CurrentMemoryContext = outer;
            Slot::with_row(row)
        }
    }

    /// # Safety
    /// Not ended, and not used afterwards; nothing droppable lives in the callers' frames.
    pub unsafe fn end(self) {
        // SAFETY: as the caller promises.
        unsafe {
            raw::standard_ExecutorFinish(self.0);
            raw::standard_ExecutorEnd(self.0);
            raw::FreeQueryDesc(self.0);
        }
    }
}
