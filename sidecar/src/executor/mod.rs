//! The executor pool: all work on nodes goes through it.
//!
//! Every command has a [`Weight`]. For each node there is a number of sockets in all and a number
//! for each weight; a free socket goes to the heaviest waiting weight, but one that has been passed
//! over too often goes first ([`admission`]). Each try has a deadline that grows with the tries and
//! never passes the caller's; only commands marked safe are repeated, after a random wait
//! ([`timing`]). Both decide as pure functions; [`pool`] acts on them.

mod admission;
mod command;
mod pool;
mod timing;

pub use admission::{Limits, Weight};
pub use command::Command;
pub use pool::{Executor, Leased};
pub use timing::Timing;
