//! PostgreSQL as we use it: entries, errors, trees, the executor, the session, SPI, names, memory, waits.

pub mod catalog;
pub mod compat;
pub mod copy;
pub mod entry;
pub mod executor;
pub mod function;
pub mod memory;
pub mod names;
pub mod planner;
pub mod raw;
pub mod session;
pub mod shared_memory;
pub mod spi;
pub mod tree;
pub mod utility;
pub mod wait;
