//! The table of a COPY FROM, opened and checked as PostgreSQL does.

use crate::pg::tree::{IntList, ListRef, NodeMut, NodeRef};
use pgrx::pg_sys::{
    self, AttrNumber, Oid, ParseNamespaceItem, ParseState, RangeTblEntry, Relation,
};

/// A locked table that is open, and what PostgreSQL's parse analysis knows of the statement.
#[derive(Clone, Copy)]
pub struct CopyTable {
    relation: Relation,
    state: *mut ParseState,
    item: *mut ParseNamespaceItem,
}

impl CopyTable {
    /// Opens a table that the statement has locked. It is to be closed, or the end of the transaction does it.
    pub fn open(table: Oid) -> CopyTable {
        let none: *mut std::ffi::c_void = std::ptr::null_mut();
        // SAFETY: the table is locked; the parse state lives in the current memory context, which is the statement's.
        unsafe {
            let relation = pg_sys::table_open(table, pg_sys::NoLock as i32);
            let state = pg_sys::make_parsestate(none.cast());
            let lock = pg_sys::RowExclusiveLock as i32;
            let item = pg_sys::addRangeTableEntryForRelation(
                state,
                relation,
                lock,
                none.cast(),
                false,
                false,
            );
            CopyTable {
                relation,
                state,
                item,
            }
        }
    }

    pub fn close(self) {
        // SAFETY: opened by `open`, closed once.
        unsafe { pg_sys::table_close(self.relation, pg_sys::NoLock as i32) };
    }

    pub fn oid(self) -> Oid {
        // SAFETY: the table is open.
        unsafe { (*self.relation).rd_id }
    }

    /// How many attributes it has, with those that have been dropped.
    pub fn attributes(self) -> usize {
        // SAFETY: the table is open.
        unsafe { (*(*self.relation).rd_att).natts as usize }
    }

    /// The attribute numbers of the listed columns, of all columns when none are listed; raises for what is no column.
    pub fn numbers(self, listed: ListRef<'_, pg_sys::String>) -> Vec<AttrNumber> {
        // SAFETY: the table is open; gives a new list of integers.
        let numbers = unsafe {
            let descriptor = (*self.relation).rd_att;
            IntList::new(pg_sys::CopyGetAttnums(
                descriptor,
                self.relation,
                listed.as_ptr(),
            ))
        };
        numbers
            .iter()
            .map(|number| AttrNumber::try_from(number).expect("an attribute number"))
            .collect()
    }

    /// Checks INSERT on these columns; PostgreSQL's COPY needs to find them in the parse state too.
    pub fn require_insert(self, numbers: &[AttrNumber]) {
        let mut entry = self.entry();
        entry.requiredPerms = pg_sys::ACL_INSERT;
        for &number in numbers {
            let member = i32::from(number) - pg_sys::FirstLowInvalidHeapAttributeNumber;
            // SAFETY: a set of the entry's own, or null.
            entry.insertedCols = unsafe { pg_sys::bms_add_member(entry.insertedCols, member) };
        }
        self.check_permissions();
    }

    fn entry<'a>(self) -> NodeMut<'a, RangeTblEntry> {
        // SAFETY: made by `open`, and only ours.
        unsafe { NodeMut::present((*self.item).p_rte) }
    }

    fn check_permissions(self) {
        // SAFETY: the range table of the parse state.
        unsafe { pg_sys::ExecCheckRTPerms((*self.state).p_rtable, true) };
    }

    /// Does row security apply to the current user?
    pub fn has_row_security(self) -> bool {
        // SAFETY: a catalog lookup.
        let security = unsafe { pg_sys::check_enable_rls(self.oid(), pg_sys::InvalidOid, false) };
        security == pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32
    }

    /// Analyses a condition over the table's columns as PostgreSQL does; raises in its words.
    pub fn analyse<'a>(self, raw: NodeRef<'_>) -> NodeRef<'a> {
        let kind = pg_sys::ParseExprKind::EXPR_KIND_COPY_WHERE;
        // SAFETY: the table's own parse state; the functions raise on bad input and give valid expressions.
        let analysed = unsafe {
            pg_sys::addNSItemToQuery(self.state, self.item, false, true, true);
            let expression = pg_sys::transformExpr(self.state, raw.as_ptr(), kind);
            let expression = pg_sys::coerce_to_boolean(self.state, expression, c"WHERE".as_ptr());
            pg_sys::assign_expr_collations(self.state, expression);
            NodeRef::present(expression)
        };
        self.check_permissions();
        analysed
    }

    /// For PostgreSQL's functions.
    pub fn relation(self) -> Relation {
        self.relation
    }

    /// For PostgreSQL's functions.
    pub fn state(self) -> *mut ParseState {
        self.state
    }
}
