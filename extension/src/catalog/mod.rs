//! Changes of the catalog that all nodes share, in one distributed transaction.

pub mod bucket_condition;
pub mod everywhere;
pub mod groups;
pub mod maps;
pub mod schema_lock;
