//! Operations: durable changes to the cluster in many steps.
//!
//! An operation is an entry of the journal in the coordination store ([`journal`]). The leader
//! ([`leader`]) runs it by a declared table of steps ([`step`]): each step is idempotent and is
//! journaled when it is done, so that another leader goes on from there ([`runner`]). Before the
//! table's turning point an operation that is cancelled or cannot go on is undone, after it it goes
//! forward. Any node may submit; the leader picks the entry up.

mod ageing;
mod children;
pub mod conflict;
mod context;
mod drain;
pub mod entry;
pub mod error;
mod expand;
mod fault;
pub mod journal;
pub mod leader;
mod members;
pub mod mirror;
mod move_table;
mod rebind;
mod rebind_all;
mod relief;
pub mod removed;
mod replication;
mod runner;
mod shrink;
mod step;
mod still;
mod storage;
pub mod submit;
pub mod wish;

pub(crate) use context::Shared;
pub(crate) use runner::now;
