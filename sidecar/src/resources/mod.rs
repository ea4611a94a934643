//! How busy this machine and its server are.
//!
//! The kernel's pressure files (`/proc/pressure`, Documentation/accounting/psi.rst) say for which
//! share of the last 10 seconds something waited for a processor, for memory or for a disk. Where
//! the server runs in a cgroup v2 of its own, that group's files count too. The server adds how
//! many sessions are at work. [`monitor`] samples once every few seconds; all other parts read what
//! it has shown, the other nodes through this node's status entry.

mod monitor;
mod pressure;

pub use monitor::run;
pub use pressure::Pressure;
