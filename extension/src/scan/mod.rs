//! The custom scans that run statements and fragments.

pub mod custom;
pub mod distribute_scan;
pub mod first_scan;
pub mod fragment_scan;
pub mod moving_scan;
pub mod pending;
pub mod rows;
pub mod statement_scan;
