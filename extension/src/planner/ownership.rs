//! Rows on a node that does not own them, while their group moves.

use crate::error::Error;
use crate::metadata::bucket::Bucketer;
use crate::metadata::cache::{metadata, Metadata, Table};
use crate::pg::catalog::{column_type, type_collation};
use crate::pg::names::function;
use crate::pg::tree::build::{add_condition, call, int4, var};
use crate::pg::tree::{NodeMut, NodeRef};
use pgrx::pg_sys::{Oid, Query, ANYELEMENTOID, BOOLOID, INT4OID};

/// Adds, while the table's group moves, the condition that the node that runs the query owns the row by the bound version.
/// Writers hold the group lock, so the version cannot change before they end.
pub fn add(query: &mut NodeMut<'_, Query>, rti: i32, table: &Table, metadata: &Metadata) {
    let group = metadata.group(table.group);
    let (Some(column), Some(version)) = (table.distribution_column(), group.version) else {
        return;
    };
    if group.moving_to.is_none() {
        return;
    }
    let of = column_type(table.relation, column);
    let owned = owned_here(var(rti, column, of).node(), of.collation, version);
    if let Some(mut tree) = query.child(|query| query.join_tree()) {
        add_condition(&mut tree, owned);
    }
}

/// `expanse.owns(value, version)`, for a value with this collation.
pub fn owned_here<'a>(value: NodeRef<'a>, collation: Oid, version: i32) -> NodeRef<'a> {
    let arguments = [value, int4(version).node()];
    let owns = function(c"owns", &[ANYELEMENTOID, INT4OID]);
    call(owns, BOOLOID, arguments, collation).into_ref().node()
}

crate::sql_function! {
    /// `expanse.owns(value anyelement, hash_map_version int) -> bool`: does this node own the value's bucket in that version?
    fn owns(args) {
        let metadata = metadata().unwrap_or_else(|| Error::NotInitialized.raise());
        let version = args.get::<i32>(1).unwrap_or(0);
        let Some(map) = metadata.maps.get(&version) else { Error::UnknownHashMap { version }.raise() };
        let type_oid = args.type_of(0);
        let bucketer = Bucketer::new(type_oid, type_collation(type_oid));
        args.datum(0)
            .zip(bucketer)
            .map(|(value, mut bucketer)| map.owner(bucketer.bucket(value)) == metadata.local_node)
    }
}
