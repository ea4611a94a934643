//! How figures are shown: aligned tables, units, the bucket ring.

pub mod ring;
pub mod table;
pub mod units;

pub use table::TextTable;
