//! Hash maps in the catalog, and the owner of a value.

use crate::catalog::everywhere::cluster;
use crate::error::Error;
use crate::metadata::bucket::Bucketer;
use crate::metadata::cache::TableKind;
use crate::pg::{names, spi};
use expanse_core::hash_map::HashMap;
use pgrx::pg_sys::{self, Datum, Oid};

/// The statement that stores a map (not current yet); idempotent.
pub fn insert_sql(map: &HashMap) -> String {
    let version = map.version();
    let ranges: Vec<String> = map
        .ranges()
        .iter()
        .map(|range| {
            format!(
                "({version}, {}, {}, {})",
                range.node, range.first, range.last
            )
        })
        .collect();
    format!(
        "WITH version AS (INSERT INTO expanse.hash_map (hash_map_version, current) VALUES ({version}, false) \
         ON CONFLICT DO NOTHING) \
         INSERT INTO expanse.hash_map_range (hash_map_version, node_id, first_bucket, last_bucket) \
         VALUES {} ON CONFLICT DO NOTHING",
        ranges.join(", ")
    )
}

/// The statement that makes a stored map the current one.
pub fn make_current_sql(version: i32) -> String {
    format!("SELECT expanse.make_current({version})")
}

crate::sql_function! {
    /// `cluster_owner(relation regclass, value anyelement) -> text`: the node that owns a value's rows.
    fn cluster_owner(args) {
        let relation = args.required::<Oid>(0, "relation");
        let value = args.datum(1);
        let type_oid = args.type_of(1);
        value.map(|value| owner(relation, value, type_oid))
    }
}

fn owner(relation: Oid, value: Datum, type_oid: Oid) -> String {
    let metadata = cluster();
    let not_distributed = || -> ! {
        Error::NotDistributed {
            relation: names::bare(relation),
        }
        .raise()
    };
    let Some(table) = metadata.table(relation) else {
        not_distributed()
    };
    let TableKind::Distributed { column, .. } = table.kind else {
        not_distributed()
    };
    let Some(map) = metadata.map_of(table.group) else {
        not_distributed()
    };
    let mut column_type = pg_sys::InvalidOid;
    let mut collation = pg_sys::InvalidOid;
    let mut modifier = -1;
    // SAFETY: a catalog lookup into three locals.
    unsafe {
        pg_sys::get_atttypetypmodcoll(
            relation,
            column,
            &mut column_type,
            &mut modifier,
            &mut collation,
        )
    };
    let value = if type_oid == column_type {
        value
    } else {
        converted(value, type_oid, column_type)
    };
    let Some(mut bucketer) = Bucketer::new(column_type, collation) else {
        not_distributed()
    };
    let id = map.owner(bucketer.bucket(value));
    metadata
        .nodes
        .get(&id)
        .map_or_else(String::new, |node| node.name.clone())
}

/// A value as another type, through its text form (an untyped literal arrives as text).
fn converted(value: Datum, from: Oid, to: Oid) -> Datum {
    // SAFETY: both types exist; the output function gives a NUL-terminated string, the input function a
    // value in the current memory context or an error.
    unsafe {
        let (mut output, mut varlena) = (pg_sys::InvalidOid, false);
        pg_sys::getTypeOutputInfo(from, &mut output, &mut varlena);
        let text = pg_sys::OidOutputFunctionCall(output, value);
        let (mut input, mut parameter) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
        pg_sys::getTypeInputInfo(to, &mut input, &mut parameter);
        pg_sys::OidInputFunctionCall(input, text, parameter, -1)
    }
}

/// Runs after the binding of a group has changed: versions that are neither current nor of use are dropped.
pub const DROP_UNUSED: &str = "SELECT expanse.drop_unused_hash_maps()";

/// The next free version number.
pub fn next_version() -> i32 {
    spi::value("SELECT coalesce(max(hash_map_version), 0) + 1 FROM expanse.hash_map")
        .and_then(|text| text.parse().ok())
        .unwrap_or(1)
}
