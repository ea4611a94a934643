//! A statement that runs as text on other nodes and as PostgreSQL's own plan on this one: what Route and Modify share.

use crate::metadata::cache::GroupId;
use crate::pg::tree::build::{null, number_of, target, var};
use crate::pg::tree::{list_of, make, NodeMut, NodeRef};
use pgrx::pg_sys::{self, CustomScan, CustomScanMethods, TargetEntry};
use serde::{Deserialize, Serialize};

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
pub fn custom_scan<'a>(
    child: NodeRef<'a, pg_sys::Plan>,
    methods: &'static CustomScanMethods,
) -> NodeMut<'a, CustomScan> {
    scan_over(child, methods).0
}

/// The same, and whether all of its columns may travel in binary.
pub fn scan_over<'a>(
    child: NodeRef<'a, pg_sys::Plan>,
    methods: &'static CustomScanMethods,
) -> (NodeMut<'a, CustomScan>, bool) {
    let mut scan = make::<CustomScan>();
    let plan = &mut scan.scan.plan;
    plan.startup_cost = child.startup_cost;
    plan.total_cost = child.total_cost;
    plan.plan_rows = child.plan_rows;
    plan.plan_width = child.plan_width;
    let columns: Vec<Column> = child
        .targets()
        .iter()
        .filter(|entry| !entry.resjunk)
        .enumerate()
        .map(|(index, entry)| Column::of(index, entry))
        .collect();
    plan.targetlist = list_of(columns.iter().map(|column| column.shown)).as_ptr();
    scan.custom_scan_tlist = list_of(columns.iter().map(|column| column.given)).as_ptr();
    scan.custom_plans = list_of([child]).as_ptr();
    scan.methods = methods;
    let binary = columns.iter().all(|column| column.binary);
    (scan, binary)
}

/// A visible column of the child as one of the scan.
struct Column<'a> {
    /// In the scan's own row.
    given: NodeRef<'a, TargetEntry>,
    /// In what the scan returns.
    shown: NodeRef<'a, TargetEntry>,
    binary: bool,
}

impl<'a> Column<'a> {
    fn of(index: usize, entry: NodeRef<'_, TargetEntry>) -> Column<'a> {
        let number = number_of(index);
        let of = entry
            .expression()
            .expect("an entry has an expression")
            .value_type();
        let from_row = var(pg_sys::INDEX_VAR, number, of).node();
        let mut shown = target(from_row, number, entry.name());
        shown.resorigtbl = entry.resorigtbl;
        shown.resorigcol = entry.resorigcol;
        Column {
            given: target(null(of).node(), number, entry.name()).into_ref(),
            shown: shown.into_ref(),
            binary: same_in_binary(of.oid),
        }
    }
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
