//! A statement that runs as text on other nodes and as PostgreSQL's own plan on this one: what Route and Modify share.

use crate::metadata::cache::GroupId;
use pgrx::pg_sys::{self, CustomScan, List, Node};
use serde::{Deserialize, Serialize};
use std::ffi::{CStr, CString};

/// Which nodes run it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// The owner of the key, the first of the scan's expressions.
    Key { group: GroupId },
    /// All owners of buckets of the group.
    Owners { group: GroupId },
    /// All active nodes: replicated tables. The first one before the others.
    Everywhere,
}

/// What the custom scan keeps in its plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    pub sql: String,
    pub place: Place,
    pub writes: bool,
    /// Column types are built in, so that values may travel in binary.
    pub binary: bool,
    /// Type of the key expression, whose hash function decides.
    pub key_type: u32,
    /// What is read here and sent along.
    pub sources: Vec<Reading>,
}

/// A source of a statement: see `planner::exchange`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    pub number: i32,
    pub sql: String,
    /// How many of the scan's last expressions are its parameters, one source after the other.
    pub parameters: usize,
    /// It is a write: its effects are to be seen afterwards.
    pub writes: bool,
}

/// A custom scan on top of a plan, with the plan's visible columns.
pub fn custom_scan(
    child: *mut pg_sys::Plan,
    methods: *const pg_sys::CustomScanMethods,
) -> *mut CustomScan {
    scan_over(child, methods).0
}

/// The same, and whether all of its columns may travel in binary.
pub fn scan_over(
    child: *mut pg_sys::Plan,
    methods: *const pg_sys::CustomScanMethods,
) -> (*mut CustomScan, bool) {
    // SAFETY: the child is a finished plan; the new node is zeroed memory with its tag.
    unsafe {
        let scan = pg_sys::palloc0(std::mem::size_of::<CustomScan>()).cast::<CustomScan>();
        (*scan).scan.plan.type_ = pg_sys::NodeTag::T_CustomScan;
        (*scan).scan.plan.startup_cost = (*child).startup_cost;
        (*scan).scan.plan.total_cost = (*child).total_cost;
        (*scan).scan.plan.plan_rows = (*child).plan_rows;
        (*scan).scan.plan.plan_width = (*child).plan_width;
        let (output, columns, binary) = target_list((*child).targetlist);
        (*scan).scan.plan.targetlist = output;
        (*scan).custom_scan_tlist = columns;
        (*scan).custom_plans = pg_sys::lappend(std::ptr::null_mut(), child.cast());
        (*scan).methods = methods;
        (scan, binary)
    }
}

/// Plain data as a plan's private data.
pub fn private<T: Serialize>(statement: &T) -> *mut List {
    let text = serde_json::to_string(statement).expect("plain data");
    let text = CString::new(text).expect("JSON escapes NUL bytes");
    // SAFETY: makeString keeps the pointer, which pstrdup allocated.
    unsafe {
        pg_sys::lappend(
            std::ptr::null_mut(),
            pg_sys::makeString(pg_sys::pstrdup(text.as_ptr())).cast(),
        )
    }
}

/// What [`private`] keeps in a plan.
pub fn private_of<T: serde::de::DeserializeOwned>(scan: *mut CustomScan) -> T {
    // SAFETY: the first of the private nodes is a String, written by `private`.
    let text = unsafe {
        let value = (*(*(*scan).custom_private).elements)
            .ptr_value
            .cast::<pg_sys::String>();
        CStr::from_ptr((*value).sval)
    };
    serde_json::from_slice(text.to_bytes()).expect("written by private")
}

/// The scan's output: one column for each visible one of the child; and whether all may travel in binary.
unsafe fn target_list(child: *mut List) -> (*mut List, *mut List, bool) {
    let (mut output, mut columns, mut binary) = (std::ptr::null_mut(), std::ptr::null_mut(), true);
    let mut number = 0;
    for entry in crate::pg::list::nodes::<pg_sys::TargetEntry>(child) {
        // SAFETY: entries of a finished plan's target list.
        unsafe {
            if (*entry).resjunk {
                continue;
            }
            number += 1;
            let expression: *mut Node = (*entry).expr.cast();
            let type_oid = pg_sys::exprType(expression);
            let typmod = pg_sys::exprTypmod(expression);
            let collation = pg_sys::exprCollation(expression);
            binary &= same_in_binary(type_oid);
            let null = pg_sys::makeNullConst(type_oid, typmod, collation);
            let column = pg_sys::makeTargetEntry(null.cast(), number, (*entry).resname, false);
            columns = pg_sys::lappend(columns, column.cast());
            let var = pg_sys::makeVar(pg_sys::INDEX_VAR, number, type_oid, typmod, collation, 0);
            let shown = pg_sys::makeTargetEntry(var.cast(), number, (*entry).resname, false);
            (*shown).resorigtbl = (*entry).resorigtbl;
            (*shown).resorigcol = (*entry).resorigcol;
            output = pg_sys::lappend(output, shown.cast());
        }
    }
    (output, columns, binary)
}

/// Do values of this type mean the same in binary on every node? Not those of types that users made, whose OIDs differ, nor
/// records and names that are OIDs inside.
pub fn same_in_binary(type_oid: pg_sys::Oid) -> bool {
    let others = [
        pg_sys::RECORDOID,
        pg_sys::RECORDARRAYOID,
        pg_sys::ACLITEMOID,
    ];
    type_oid.to_u32() < pg_sys::FirstNormalObjectId
        && !others.contains(&type_oid)
        && !names_by_oid(type_oid)
}

/// Are values of this type OIDs inside, which differ between nodes, and names outside?
pub fn names_by_oid(type_oid: pg_sys::Oid) -> bool {
    [
        pg_sys::REGPROCOID,
        pg_sys::REGPROCEDUREOID,
        pg_sys::REGOPEROID,
        pg_sys::REGOPERATOROID,
        pg_sys::REGCLASSOID,
        pg_sys::REGTYPEOID,
        pg_sys::REGROLEOID,
        pg_sys::REGNAMESPACEOID,
        pg_sys::REGCONFIGOID,
        pg_sys::REGDICTIONARYOID,
        pg_sys::REGCOLLATIONOID,
        pg_sys::REGPROCARRAYOID,
        pg_sys::REGPROCEDUREARRAYOID,
        pg_sys::REGOPERARRAYOID,
        pg_sys::REGOPERATORARRAYOID,
        pg_sys::REGCLASSARRAYOID,
        pg_sys::REGTYPEARRAYOID,
        pg_sys::REGROLEARRAYOID,
        pg_sys::REGNAMESPACEARRAYOID,
        pg_sys::REGCONFIGARRAYOID,
        pg_sys::REGDICTIONARYARRAYOID,
        pg_sys::REGCOLLATIONARRAYOID,
    ]
    .contains(&type_oid)
}
