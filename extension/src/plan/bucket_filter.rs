//! The condition that a row belongs to a node, for fragments of a group in motion.
//!
//! A table becomes a subquery with the condition, so that it holds wherever in a join the table stands.

use crate::metadata::bucket::{hash_function, BUCKETS};
use crate::metadata::cache::{Metadata, NodeId, Table, TableKind};
use crate::pg::catalog::column_type;
use crate::pg::tree::build::{all_of, any_of, boolean, call, int8, operation, var};
use crate::pg::tree::change::each_query;
use crate::pg::tree::{copy, list_of, NodeMut, NodeRef};
use crate::plan::subquery::table_as_subquery;
use expanse_core::hash_map::Range;
use pgrx::pg_sys::{FromExpr, Oid, Query, RTEKind, RangeTblEntry, Var, BOOLOID, INT8OID};

/// Operators over bigint in pg_operator.dat: `&`, `>=`, `<=`.
const BIGINT_AND: u32 = 1886;
const BIGINT_GE: u32 = 415;
const BIGINT_LE: u32 = 414;

/// Restricts every distributed table of a group in motion, at any depth, to the rows that `node` owns.
pub fn restrict_to_owned(query: &mut NodeMut<'_, Query>, node: NodeId, metadata: &Metadata) {
    each_query(query, &mut |query| {
        for mut entry in query.children(|query| query.range_table()) {
            if entry.rtekind != RTEKind::RTE_RELATION {
                continue;
            }
            let Some(table) = metadata.table(entry.relid) else {
                continue;
            };
            if metadata.group(table.group).moving_to.is_some() {
                restrict_entry(&mut entry, table, node, metadata);
            }
        }
    });
}

fn restrict_entry(
    entry: &mut NodeMut<'_, RangeTblEntry>,
    table: &Table,
    node: NodeId,
    metadata: &Metadata,
) {
    let (TableKind::Distributed { column, .. }, Some(map)) =
        (&table.kind, metadata.map_of(table.group))
    else {
        return;
    };
    let mut query = table_as_subquery(entry);
    let key = var(1, *column, column_type(table.relation, *column));
    if let Some(mut tree) = query.child::<FromExpr>(|query| query.join_tree()) {
        tree.quals = in_buckets(key, &map.ranges_of(node)).as_ptr();
    }
}

/// `hash(key, 0) & 65535` is in one of the ranges.
fn in_buckets<'a>(key: NodeRef<'a, Var>, ranges: &[Range]) -> NodeRef<'a> {
    let Some(function) = hash_function(key.vartype) else {
        return boolean(false);
    };
    let arguments = [key.node(), int8(0).node()];
    let hash = call(function, INT8OID, arguments, key.varcollid).into_ref();
    let bucket = bigint(BIGINT_AND, INT8OID, hash.node(), i64::from(BUCKETS - 1));
    let choices = ranges.iter().filter_map(|range| {
        let from = bigint(BIGINT_GE, BOOLOID, bucket, i64::from(range.first));
        let to = bigint(BIGINT_LE, BOOLOID, bucket, i64::from(range.last));
        all_of(list_of([from, to]))
    });
    any_of(list_of(choices)).unwrap_or_else(|| boolean(false))
}

/// A built-in operator of bigint over a copy of its left side.
fn bigint<'a>(number: u32, result: Oid, left: NodeRef<'a>, right: i64) -> NodeRef<'a> {
    let left = copy(left).into_ref();
    operation(Oid::from(number), result, left, int8(right).node()).node()
}
