//! Queries that PostgreSQL's executor is given.

use super::parameters::Parameters;
use crate::pg::tree::NodeRef;
use pgrx::pg_sys::{self, PlannedStmt, QueryDesc};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A query that the executor starts or runs.
#[derive(Clone, Copy)]
pub struct QueryNode<'a> {
    query: NonNull<QueryDesc>,
    life: PhantomData<&'a QueryDesc>,
}

impl<'a> QueryNode<'a> {
    /// # Safety
    /// What PostgreSQL passes to the executor, for `'a`.
    pub unsafe fn new(query: *mut QueryDesc) -> QueryNode<'a> {
        QueryNode {
            query: NonNull::new(query).expect("the executor is given a query"),
            life: PhantomData,
        }
    }

    pub(super) fn get(&self) -> &QueryDesc {
        // SAFETY: a valid description (`new`).
        unsafe { self.query.as_ref() }
    }

    pub(super) fn as_ptr(self) -> *mut QueryDesc {
        self.query.as_ptr()
    }

    /// The statement that is executed.
    pub fn statement(self) -> NodeRef<'a, PlannedStmt> {
        // SAFETY: the statement lives as long as the query.
        unsafe { NodeRef::new(self.get().plannedstmt) }.expect("a planned statement is run")
    }

    /// Another statement is executed in its place. It has not started.
    pub fn set_statement(self, statement: NodeRef<'a, PlannedStmt>) {
        // SAFETY: a valid description (`new`).
        unsafe { (*self.query.as_ptr()).plannedstmt = statement.as_ptr() };
    }

    /// Does it write rows?
    pub fn writes(self) -> bool {
        self.get().operation != pg_sys::CmdType::CMD_SELECT || self.statement().hasModifyingCTE
    }

    /// Is it a SELECT whose rows a COPY sends?
    pub fn is_sent_by_copy(self) -> bool {
        // SAFETY: null, or the receiver of the query's rows.
        let receiver = unsafe { self.get().dest.as_ref() };
        self.get().operation == pg_sys::CmdType::CMD_SELECT
            && receiver.is_some_and(|to| to.mydest == pg_sys::CommandDest::DestCopyOut)
    }

    /// Is it measured for EXPLAIN, or by a library that counts?
    pub fn is_measured(self) -> bool {
        self.get().instrument_options != 0
    }

    /// The values of the statement's parameters.
    pub fn parameters(self) -> Parameters {
        // SAFETY: null, or the query's own list.
        unsafe { Parameters::of(self.get().params) }
    }
}

/// Is a plan begun for EXPLAIN alone, and never run?
pub fn only_explains(flags: i32) -> bool {
    flags & pg_sys::EXEC_FLAG_EXPLAIN_ONLY as i32 != 0
}
