//! From a value to its bucket: `extended_hash(value, seed 0) & 65535`, by the type's default hash operator class.

use crate::error::Error;
use crate::pg::catalog::type_collation;
use crate::pg::executor::values;
use crate::pg::names::type_name;
use pgrx::pg_sys::{self, Datum, Oid};

/// Support function number of the extended hash function (`HASHEXTENDED_PROC` in access/hash.h).
const HASH_EXTENDED_PROC: i16 = 2;

/// Buckets in a hash map.
pub const BUCKETS: u32 = 65_536;

/// Hashes values of one type.
#[derive(Clone, Copy)]
pub struct Bucketer {
    function: pg_sys::FmgrInfo,
    collation: Oid,
}

impl Bucketer {
    /// For values of type `type_oid`, hashed under `collation`; `None` when the type has no built-in extended hash
    /// function. Lives in the current memory context.
    pub fn new(type_oid: Oid, collation: Oid) -> Option<Bucketer> {
        let function = hash_function(type_oid)?;
        Some(Bucketer {
            function: values::function(function),
            collation,
        })
    }

    /// The bucket (0..65535) of a value that is not NULL.
    pub fn bucket(&mut self, value: Datum) -> u32 {
        // SAFETY: the function was looked up for the value's type and takes (value, int8 seed).
        let hash = unsafe {
            pg_sys::FunctionCall2Coll(&mut self.function, self.collation, value, Datum::from(0u64))
        };
        (hash.value() as u64 & u64::from(BUCKETS - 1)) as u32
    }
}

/// The type's extended hash function in its default hash operator class; only built-in ones are taken, because the
/// filters of publications allow no others.
pub fn hash_function(type_oid: Oid) -> Option<Oid> {
    // SAFETY: the type cache returns an entry for any existing type; the other calls are catalog lookups.
    unsafe {
        let entry = pg_sys::lookup_type_cache(
            type_oid,
            (pg_sys::TYPECACHE_HASH_OPFAMILY | pg_sys::TYPECACHE_HASH_EXTENDED_PROC) as i32,
        );
        let family = (*entry).hash_opf;
        if family == pg_sys::InvalidOid {
            return None;
        }
        let input = (*entry).hash_opintype;
        let function = pg_sys::get_opfamily_proc(family, input, input, HASH_EXTENDED_PROC);
        (function != pg_sys::InvalidOid && function.to_u32() < pg_sys::FirstUnpinnedObjectId)
            .then_some(function)
    }
}

crate::sql_function! {
    /// `cluster_bucket(anyelement) -> int`: the bucket of a value.
    fn cluster_bucket(args) {
        let type_oid = args.type_of(0);
        let Some(mut bucketer) = Bucketer::new(type_oid, type_collation(type_oid)) else {
            Error::NoHashFunction {
                column: "value".into(),
                type_name: type_name(type_oid),
            }
            .raise()
        };
        args.datum(0).map(|value| bucketer.bucket(value) as i32)
    }
}
