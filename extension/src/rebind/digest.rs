//! `expanse.bucket_digests`: what the rows of a fragment are, bucket by bucket, in a form that two nodes can compare.
//!
//! # Why it is sound
//! A row is written as text, its columns in the order of their names, and hashed to 64 bits by PostgreSQL's own
//! `hashtextextended`; a bucket's digest is the exact sum over its rows, beside their number. The text of a value does not
//! depend on where its column lies, on dropped columns, on how it is compressed or on OIDs, and the settings that shape
//! it are pinned here; it is what logical replication carries too. Equal rows therefore have equal digests on all
//! nodes. It is stricter than the types' own equality: 1.0 and 1.00 differ. The sum (not exclusive or) counts rows that are
//! there twice.
//!
//! # What is not guaranteed
//! Different contents have the same digest with a probability of 2^-64 a bucket: enough against accidents, not against
//! a user who computes such rows on purpose.

use crate::catalog::bucket_condition::{bucket_expression, column_of, condition, ranges_of};
use crate::pg::{names, spi};
use pgrx::pg_sys::Oid;
use std::ffi::CStr;

/// Settings that change how values are written.
const PINNED: [(&CStr, &CStr); 9] = [
    (c"expanse.internal", c"on"),
    (c"DateStyle", c"ISO, MDY"),
    (c"IntervalStyle", c"postgres"),
    (c"TimeZone", c"UTC"),
    (c"extra_float_digits", c"3"),
    (c"bytea_output", c"hex"),
    (c"lc_monetary", c"C"),
    (c"xmlbinary", c"base64"),
    (c"quote_all_identifiers", c"off"),
];

crate::sql_function! {
    /// `expanse.bucket_digests(relation regclass, first_buckets int[], last_buckets int[], by_column text,
    /// other_column text, other_first int[], other_last int[])`: rows (bucket, row_count, digest) for the buckets in these
    /// ranges that have rows on this node, as the transaction's snapshot shows them. Buckets are those of `by_column`
    /// (default: the distribution column); with `other_column`, rows count whose bucket by that lies in the other ranges.
    fn bucket_digests(args) {
        let relation = args.required::<Oid>(0, "relation");
        let ranges = ranges_of(args, 1);
        let (column, type_oid) = column_of(args, relation, 3);
        let mut within = condition(&column, type_oid, &ranges);
        if args.get::<String>(4).is_some() {
            let (other, type_oid) = column_of(args, relation, 4);
            within = format!("{within} AND {}", condition(&other, type_oid, &ranges_of(args, 5)));
        }
        let rows = match (names::qualified(relation), bucket_expression(&column, type_oid)) {
            (Some(table), Some(bucket)) => {
                let row = row_text(relation);
                spi::with_settings(&PINNED, || spi::query(&format!(
                    "SELECT {bucket}, count(*), sum(hashtextextended({row}, 0)) FROM ONLY {table} WHERE {within} GROUP BY 1"
                )))
            }
            _ => Vec::new(),
        };
        args.set(&rows)
    }
}

fn row_text(relation: Oid) -> String {
    let columns = spi::column(&format!(
        "SELECT quote_ident(attname) FROM pg_attribute \
         WHERE attrelid = {} AND attnum > 0 AND NOT attisdropped ORDER BY attname COLLATE \"C\"",
        relation.to_u32()
    ));
    format!("ROW({})::text", columns.join(", "))
}
