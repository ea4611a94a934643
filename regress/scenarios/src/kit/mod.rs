//! What scenarios are made of.
//!
//! * [`Scenario`]: checks by name, refusals by SQLSTATE, the tally
//! * [`Cluster`] and [`Node`]: SQL on each node, further servers, signals to servers and sidecars
//! * [`Session`]: statements that go on step by step; [`Pending`]: what has been sent and not been waited for
//! * [`Operation`]: start, wait, state, phase, the sidecar that runs it
//! * [`Writer`] and [`Pgbench`]: load in the background, with a tally
//! * [`until`]: polling with a bound

mod cluster;
mod failure;
mod http;
mod load;
mod node;
mod operation;
mod poll;
mod scenario;
mod session;

pub use cluster::{Cluster, LEFT_OVER, NODES};
pub use failure::{Failure, Outcome, SqlError, Verdict};
pub use http::{request, Answer};
pub use load::{Pgbench, Tally as WriterTally, Writer};
pub use node::{signal, Node, Signal};
pub use operation::{Operation, State};
pub use poll::{let_pass, until, until_done, until_within, PATIENCE};
pub use scenario::{Options, Scenario, Tally};
pub use session::{block_on, Pending, Session, Target};
