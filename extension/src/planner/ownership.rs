//! Rows that lie on a node it does not own them on, while their group moves.

use crate::error::Error;
use crate::metadata::bucket::Bucketer;
use crate::metadata::cache::{metadata, Metadata, Table};
use crate::pg::names::function;
use pgrx::pg_sys::{self, Node, Query};

/// Adds, while the table's group moves, the condition that the node that runs the query owns the row by the bound version.
/// Writers hold the gate, so the version can not change before they end.
pub fn add(query: *mut Query, rti: u32, table: &Table, metadata: &Metadata) {
    let group = metadata.group(table.group);
    let (Some(column), Some(version)) = (table.distribution_column(), group.version) else {
        return;
    };
    if group.moving_to.is_none() {
        return;
    }
    // SAFETY: the query is ours to change before it is planned; nodes are palloc'd.
    unsafe {
        let (mut type_oid, mut typmod, mut collation) = (pg_sys::InvalidOid, 0, pg_sys::InvalidOid);
        pg_sys::get_atttypetypmodcoll(
            table.relation,
            column,
            &mut type_oid,
            &mut typmod,
            &mut collation,
        );
        let var: *mut Node =
            pg_sys::makeVar(rti as i32, column, type_oid, typmod, collation, 0).cast();
        let call = owned_here(var, collation, version);
        let tree = (*query).jointree;
        (*tree).quals = pg_sys::make_and_qual((*tree).quals, call.cast());
    }
}

/// `expanse.owns(value, version)`.
///
/// # Safety
/// `value` is an expression with this collation; the current memory context is the planner's.
pub unsafe fn owned_here(value: *mut Node, collation: pg_sys::Oid, version: i32) -> *mut Node {
    // SAFETY: as the caller promises; nodes are palloc'd.
    unsafe {
        let number = pg_sys::makeConst(
            pg_sys::INT4OID,
            -1,
            pg_sys::InvalidOid,
            4,
            pg_sys::Datum::from(version),
            false,
            true,
        );
        let arguments = pg_sys::lappend(
            pg_sys::lappend(std::ptr::null_mut(), value.cast()),
            number.cast(),
        );
        pg_sys::makeFuncExpr(
            owns_function(),
            pg_sys::BOOLOID,
            arguments,
            pg_sys::InvalidOid,
            collation,
            pg_sys::CoercionForm::COERCE_EXPLICIT_CALL,
        )
        .cast()
    }
}

fn owns_function() -> pg_sys::Oid {
    function(c"owns", &[pg_sys::ANYELEMENTOID, pg_sys::INT4OID])
}

crate::sql_function! {
    /// `expanse.owns(value anyelement, hash_map_version int) -> bool`: does this node own the value's bucket in that version?
    fn owns(args) {
        let metadata = metadata().unwrap_or_else(|| Error::NotInitialized.raise());
        let version = args.get::<i32>(1).unwrap_or(0);
        let Some(map) = metadata.maps.get(&version) else { Error::UnknownHashMap { version }.raise() };
        let type_oid = args.type_of(0);
        // SAFETY: a catalog lookup.
        let collation = unsafe { pg_sys::get_typcollation(type_oid) };
        let bucketer = Bucketer::new(type_oid, collation);
        args.datum(0)
            .zip(bucketer)
            .map(|(value, mut bucketer)| map.owner(bucketer.bucket(value)) == metadata.local_node)
    }
}
