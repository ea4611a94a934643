//! The executor pool: all work on nodes goes through it.
//!
//! Every command has a [`Weight`]. What happens to it is decided by pure functions, each in a file
//! of its own with its properties tested, and done by [`pool`] and [`target`]:
//!
//! * [`admission`]: for each node there is a number of sockets in all and a number for each weight;
//!   a free socket goes to the heaviest waiting weight, but one that has been passed over too often
//!   goes first;
//! * [`breaker`]: a node that did not answer several times is only probed until it does;
//! * [`timing`]: how long a try may take, by command, weight, load of the node and failed tries,
//!   and never past the caller's deadline. It is told to the server as `statement_timeout`;
//! * [`retry`]: only what is safe is repeated, after a random wait, so often, and within the
//!   node's [`budget`].
//!
//! When a try's time is over the caller has its answer at once. The command is cancelled, and the
//! connection keeps its socket until the server has confirmed that; if it does not, it is closed.
//! What is given up raises an alarm ([`crate::alarms`]).

mod admission;
mod breaker;
mod budget;
mod command;
mod pool;
mod report;
mod retry;
mod settings;
mod target;
mod timing;
mod transact;

pub use admission::Limits;
pub use command::Command;
pub use pool::{Executor, Leased};
pub use timing::Timing;

pub use crate::weight::Weight;
