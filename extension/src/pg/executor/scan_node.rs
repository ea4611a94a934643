//! The executor's node of a custom scan.

use super::expression::Expression;
use super::slot::Slot;
use crate::pg::memory::Context;
use crate::pg::raw;
use crate::pg::session::snapshot::SnapshotRef;
use crate::pg::tree::{ListRef, NodeRef};
use pgrx::pg_sys::{
    self, CustomScan, CustomScanState, EState, Node, Oid, PlannedStmt, RangeTblEntry,
};
use std::marker::PhantomData;

/// A custom scan that PostgreSQL's executor has begun (or is beginning).
#[derive(Clone, Copy)]
pub struct ScanNode<'a> {
    node: *mut CustomScanState,
    query: PhantomData<&'a EState>,
}

impl<'a> ScanNode<'a> {
    /// # Safety
    /// The node of a custom scan that is being begun or has begun, for `'a`.
    pub unsafe fn new(node: *mut CustomScanState) -> ScanNode<'a> {
        ScanNode {
            node,
            query: PhantomData,
        }
    }

    pub fn as_ptr(self) -> *mut CustomScanState {
        self.node
    }

    fn get(&self) -> &CustomScanState {
        // SAFETY: a valid node (`new`).
        unsafe { &*self.node }
    }

    fn query(&self) -> &EState {
        // SAFETY: a scan belongs to a query that is executed.
        unsafe { &*self.get().ss.ps.state }
    }

    /// The scan's plan.
    pub fn plan(self) -> NodeRef<'a, CustomScan> {
        // SAFETY: the executor keeps the plan with the node.
        unsafe { NodeRef::new(self.get().ss.ps.plan.cast()) }.expect("a scan has a plan")
    }

    /// The planned statement that is executed.
    pub fn statement(self) -> NodeRef<'a, PlannedStmt> {
        // SAFETY: the executor keeps the statement as long as it runs.
        unsafe { NodeRef::new(self.query().es_plannedstmt) }.expect("a planned statement is run")
    }

    /// The range table of the statement that is executed.
    pub fn range_table(self) -> ListRef<'a, RangeTblEntry> {
        // SAFETY: the executor keeps the statement's range table.
        unsafe { ListRef::new(self.query().es_range_table) }
    }

    /// The slot for the scan's own rows.
    pub fn slot(self) -> Slot {
        // SAFETY: the executor makes it before the scan begins.
        unsafe { Slot::new(self.get().ss.ss_ScanTupleSlot) }.expect("a custom scan has a slot")
    }

    /// The table that is scanned, if the scan stands for one.
    pub fn table(self) -> Option<Oid> {
        // SAFETY: null or an open relation.
        unsafe { self.get().ss.ss_currentRelation.as_ref() }.map(|relation| relation.rd_id)
    }

    /// Makes expressions of the plan ready.
    pub fn expressions(self, list: ListRef<'a, Node>) -> Vec<Expression> {
        let context = self.get().ss.ps.ps_ExprContext;
        list.iter()
            .filter_map(|expression| {
                let expression = expression.as_ptr().cast();
                // SAFETY: an expression of this plan, which lives with the query.
                unsafe {
                    let parent = &raw mut (*self.node).ss.ps;
                    Expression::new(pg_sys::ExecInitExpr(expression, parent), context)
                }
            })
            .collect()
    }

    /// The memory that lives as long as the query.
    pub fn query_memory(self) -> Context {
        // SAFETY: the query's own context.
        unsafe { Context::of(self.query().es_query_cxt) }
    }

    /// The memory for what lives until the scan's next row.
    pub fn row_memory(self) -> Context {
        // SAFETY: a custom scan has an expression context, which has memory of its own.
        unsafe { Context::of((*self.get().ss.ps.ps_ExprContext).ecxt_per_tuple_memory) }
    }

    /// How many rows the statement has changed or returned so far.
    pub fn processed(self) -> u64 {
        self.query().es_processed
    }

    /// The statement has changed so many more rows.
    pub fn add_processed(self, rows: u64) {
        // SAFETY: the executor's counter of the running query.
        unsafe { (*self.get().ss.ps.state).es_processed += rows };
    }

    /// Is the query measured for EXPLAIN?
    pub fn is_measured(self) -> bool {
        self.query().es_instrument != 0
    }

    /// Has the query been given values for its parameters?
    pub fn has_parameters(self) -> bool {
        !self.query().es_param_list_info.is_null()
    }

    /// The snapshot that the query is executed under; `None` before it has one.
    pub fn snapshot(self) -> Option<SnapshotRef> {
        // SAFETY: null, or registered as long as the query runs.
        unsafe { SnapshotRef::new(self.query().es_snapshot) }
    }

    /// Does the scan depend on values that other parts of the query compute?
    pub fn is_correlated(self) -> bool {
        !self.plan().scan.plan.extParam.is_null()
    }

    /// Does the scan depend on nothing but subqueries that are computed once?
    pub fn depends_on_init_plans_only(self) -> bool {
        let needed = self.plan().scan.plan.extParam;
        let values = self.query().es_param_exec_vals;
        let mut number = -1;
        loop {
            // SAFETY: reads the plan's own set, which raises nothing.
            number = unsafe { raw::bms_next_member(needed, number) };
            if number < 0 {
                return true;
            }
            // SAFETY: parameters that a running plan knows have a place.
            if values.is_null() || unsafe { (*values.add(number as usize)).execPlan.is_null() } {
                return false;
            }
        }
    }
}
