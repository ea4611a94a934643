//! Buckets of values and owners of buckets.

pub mod bucket;

pub use bucket::Bucketer;
