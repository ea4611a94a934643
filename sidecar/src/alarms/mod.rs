//! What was given up and has not been managed since.
//!
//! The executor pool raises an alarm when it gives a command up and clears it when the same command
//! on the same node succeeds. An alarm is told once, by weight:
//!
//! | weight | log level | status entry, `cluster_blocked` | webhook |
//! | --- | --- | --- | --- |
//! | critical | error | yes | yes |
//! | interactive | warn | yes | no |
//! | maintenance | info | yes | no |
//! | background | debug | no | no |

mod registry;
mod webhook;

pub use registry::{Alarms, Trouble};
pub use webhook::{channel, deliver, Notice, Notices};
