//! PostgreSQL's COPY FROM, as far as we take part in it.

pub mod table;

pub use table::CopyTable;
