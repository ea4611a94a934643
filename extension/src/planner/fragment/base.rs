//! The fragment of one table.

use crate::metadata::cache::{Metadata, TableKind};
use crate::pg::nodes::{items, make};
use crate::planner::fragment::info::Fragment;
use crate::planner::fragment::{check, cost, path, shippable, target};
use pgrx::pg_sys::*;
use std::os::raw::c_int;

/// Attaches a fragment to a distributed or replicated table; a distributed one gets its path in place of all others.
///
/// # Safety
/// Called from `set_rel_pathlist_hook` with PostgreSQL's own arguments.
pub unsafe fn consider(
    root: *mut PlannerInfo,
    rel: *mut RelOptInfo,
    rti: Index,
    rte: *mut RangeTblEntry,
    metadata: &Metadata,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let Some(table) = metadata.table((*rte).relid) else {
            return;
        };
        if is_dummy_rel(rel) {
            return;
        }
        let mut fragment = Fragment::new(table.group, (*rte).checkAsUser);
        fragment.members = bms_make_singleton(rti as c_int);
        fragment.from = lappend(std::ptr::null_mut(), range_table_ref(rti).cast());
        split_conditions(rel, &mut fragment);
        fragment.columns = target::columns((*rel).reltarget, fragment.kept);
        fragment.work = cost::scan(rel);
        fragment.rows = (*rel).rows;
        fragment.width = (*(*rel).reltarget).width;
        let TableKind::Distributed { column, .. } = table.kind else {
            if !target::only_columns((*rel).reltarget) || !(*rte).tablesample.is_null() {
                return;
            }
            fragment.attach(rel);
            return;
        };
        refuse_system_columns(rel, (*rte).relid, metadata);
        if let Some(map) = metadata.map_of(table.group) {
            fragment.nodes = map.nodes().len().max(1) as f64;
        }
        let key = distribution_column((*rte).relid, rti, column);
        fragment.keys = lappend(std::ptr::null_mut(), key.cast());
        fragment.solid_keys = fragment.keys;
        let fragment = fragment.attach(rel);
        (*rel).pathlist = std::ptr::null_mut();
        (*rel).partial_pathlist = std::ptr::null_mut();
        (*rel).consider_parallel = false;
        path::offer(root, rel, fragment);
    }
}

unsafe fn range_table_ref(rti: Index) -> *mut RangeTblRef {
    // SAFETY: the structure matches the tag.
    unsafe {
        let reference = make::<RangeTblRef>(NodeTag::T_RangeTblRef);
        (*reference).rtindex = rti as c_int;
        reference
    }
}

unsafe fn distribution_column(relation: Oid, rti: Index, column: i16) -> *mut Var {
    let (mut kind, mut modifier, mut collation) = (InvalidOid, -1, InvalidOid);
    // SAFETY: a catalog lookup of an existing column.
    unsafe {
        get_atttypetypmodcoll(relation, column, &mut kind, &mut modifier, &mut collation);
        makeVar(rti as c_int, column, kind, modifier, collation, 0)
    }
}

/// Conditions of the lowest security level (or leakproof ones) that mean the same everywhere go to the nodes.
unsafe fn split_conditions(rel: *mut RelOptInfo, fragment: &mut Fragment) {
    // SAFETY: the relation's restrictions are a list of RestrictInfo.
    unsafe {
        for rinfo in items::<RestrictInfo>((*rel).baserestrictinfo) {
            if (*rinfo).pseudoconstant {
                continue;
            }
            let safe =
                (*rinfo).security_level <= (*rel).baserestrict_min_security || (*rinfo).leakproof;
            let clause = (*rinfo).clause.cast::<Node>();
            if safe && shippable::shippable(clause, fragment.members, false) {
                fragment.quals = lappend(fragment.quals, clause.cast());
            } else {
                fragment.kept = lappend(fragment.kept, clause.cast());
            }
        }
    }
}

/// `ctid` and its like name a place on one node; only `tableoid` has a meaning for the whole table.
unsafe fn refuse_system_columns(rel: *mut RelOptInfo, relation: Oid, metadata: &Metadata) {
    // SAFETY: attr_needed has an entry for each attribute from min_attr on.
    unsafe {
        for attribute in (*rel).min_attr..0 {
            let needed = *(*rel)
                .attr_needed
                .add((attribute - (*rel).min_attr) as usize);
            if i32::from(attribute) != TableOidAttributeNumber && !needed.is_null() {
                check::refuse(
                    "reading a system column",
                    relation,
                    "Rows of a distributed table live on several nodes: name them by their key.",
                    metadata,
                );
            }
        }
    }
}
