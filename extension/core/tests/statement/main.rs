//! The way of a statement: examples, properties, and what a way means for rows.

mod generate;
mod properties;
mod rows;
mod ways;
