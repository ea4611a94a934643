//! Rows that other nodes need for a statement: read here, kept by each session that runs the statement.
//!
//! # How it works
//! The session that coordinates the statement runs the source's query over all nodes, keeps its rows as lines of COPY's text
//! format in a store of its own ([`store`]) and sends the same lines to the sessions on the other nodes ([`deliver`]).
//! There, and here, `expanse.exchange_rows(n)` gives them back as rows.
//!
//! # Invariants
//! A store belongs to one session and ends with its transaction. Its number is constant in the statement's text; running the
//! statement again replaces the rows.
//!
//! # Unwind safety
//! Stores are forgotten by the transaction callbacks; temporary files go with them.

pub mod deliver;
pub mod store;

pub use self::store::forget;
