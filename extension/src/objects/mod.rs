//! Objects of a database that come with a table: their definitions, what they depend on, and what a distributed table may have.

pub mod checks;
pub mod creation;
pub mod definition;
pub mod dependencies;
pub mod foreign_keys;
pub mod key_trigger;
pub mod portable;
pub mod rows;
pub mod triggers;
pub mod views;
