//! Conditions on buckets as SQL, of built-in immutable functions only, so that publications take them too.

use crate::catalog::everywhere::cluster;
use crate::error::Error;
use crate::metadata::bucket::hash_function;
use crate::metadata::cache::TableKind;
use crate::pg::function::Args;
use crate::pg::{names, spi};
use pgrx::pg_sys::{self, Oid};
use std::ffi::CStr;

/// `(hash(column, 0) & 65535)`; `None` when the type has no built-in extended hash function.
pub fn bucket_expression(column: &str, type_oid: Oid) -> Option<String> {
    let function = hash_function(type_oid)?;
    // SAFETY: the function exists; get_func_name gives a palloc'd string.
    let name = unsafe { CStr::from_ptr(pg_sys::get_func_name(function)) }.to_string_lossy();
    Some(format!(
        "(pg_catalog.{name}({}, 0) & 65535)",
        spi::identifier(column)
    ))
}

/// True for rows whose bucket lies in one of the ranges (first, last); false when there is none.
pub fn condition(column: &str, type_oid: Oid, ranges: &[(u32, u32)]) -> String {
    let Some(bucket) = bucket_expression(column, type_oid) else {
        Error::NoHashFunction {
            column: column.into(),
            type_name: names::type_name(type_oid),
        }
        .raise()
    };
    if ranges.is_empty() {
        return "false".into();
    }
    let parts: Vec<String> = ranges
        .iter()
        .map(|(first, last)| format!("{bucket} BETWEEN {first} AND {last}"))
        .collect();
    format!("({})", parts.join(" OR "))
}

/// The distribution column of a distributed table: its name and type.
pub fn distribution_column(relation: Oid) -> (String, Oid) {
    let metadata = cluster();
    let Some(TableKind::Distributed {
        column,
        column_name,
    }) = metadata.table(relation).map(|table| table.kind.clone())
    else {
        Error::NotDistributed {
            relation: names::bare(relation),
        }
        .raise()
    };
    // SAFETY: a system-cache lookup.
    (column_name, unsafe {
        pg_sys::get_atttype(relation, column)
    })
}

/// The column that a call names in argument `at`, or else the distribution column: its name and type.
pub fn column_of(args: &Args, relation: Oid, at: usize) -> (String, Oid) {
    let Some(column) = args.get::<String>(at) else {
        return distribution_column(relation);
    };
    let type_oid = spi::value(&format!(
        "SELECT atttypid::oid FROM pg_attribute WHERE attrelid = {} AND attname = {} AND attnum > 0 AND NOT attisdropped",
        relation.to_u32(),
        spi::literal(&column)
    ));
    match type_oid.and_then(|oid| oid.parse::<u32>().ok()) {
        Some(oid) => (column, Oid::from(oid)),
        None => Error::NoSuchColumn {
            relation: names::bare(relation),
            column,
        }
        .raise(),
    }
}

crate::sql_function! {
    /// `expanse.bucket_filter(relation regclass, first_buckets int[], last_buckets int[], by_column text) -> text`; the SQL
    /// declaration makes both arrays of an `int4range[]`.
    fn bucket_filter(args) {
        let relation = args.required::<Oid>(0, "relation");
        let ranges = ranges_of(args, 1);
        let (column, type_oid) = column_of(args, relation, 3);
        Some(condition(&column, type_oid, &ranges))
    }
}

/// Ranges of buckets from two arguments, an array of their first and one of their last buckets.
pub fn ranges_of(args: &Args, at: usize) -> Vec<(u32, u32)> {
    let first = args.required::<Vec<Option<i32>>>(at, "ranges");
    let last = args.required::<Vec<Option<i32>>>(at + 1, "ranges");
    first
        .into_iter()
        .zip(last)
        .map(|range| match range {
            (Some(first), Some(last)) if (0..=last).contains(&first) && last <= 65535 => {
                (first as u32, last as u32)
            }
            _ => Error::InvalidParameter {
                parameter: "ranges",
                reason: "every range must be inside 0..65535 and not be empty".into(),
            }
            .raise(),
        })
        .collect()
}
