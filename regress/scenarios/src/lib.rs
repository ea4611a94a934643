//! Scenarios: a cluster in a box is used, broken and mended, and has to keep its promises.
//!
//! Each scenario is a module with a function that is given a running cluster; [`ALL`] lists them. What they are made of
//! is in [`kit`]. A step never sleeps for something to happen: it waits for it, with a bound.
#![forbid(unsafe_code)]

pub mod kit;

mod crash;
mod deadlock;
mod takeover;

use kit::{Outcome, Scenario};

/// A scenario as the runner knows it.
#[derive(Clone, Copy)]
pub struct Definition {
    pub name: &'static str,
    pub about: &'static str,
    pub run: fn(&Scenario) -> Outcome,
    /// About how long it takes; the longest begin first.
    pub seconds: u64,
    /// Coordination store of its cluster: `dir`, `zookeeper` or `ensemble`.
    pub coordination: &'static str,
    /// Parts that it runs when it is not told which; empty if it has no parts.
    pub parts: &'static [&'static str],
    /// Do its sidecars look at a file that says where they fail?
    pub faults: bool,
    /// Does it measure time so closely that nothing may run beside it?
    pub alone: bool,
    /// Does it run only when it is asked for, because it takes hours?
    pub asked_only: bool,
}

const DEFAULT: Definition = Definition {
    name: "",
    about: "",
    run: |_| Ok(()),
    seconds: 60,
    coordination: "dir",
    parts: &[],
    faults: false,
    alone: false,
    asked_only: false,
};

/// All scenarios.
pub const ALL: &[Definition] = &[
    Definition {
        name: "crash",
        about: "commits are killed at every point",
        run: crash::run,
        ..DEFAULT
    },
    Definition {
        name: "takeover",
        about: "the sidecar that runs a rebind is killed",
        run: takeover::run,
        ..DEFAULT
    },
    Definition {
        name: "deadlock",
        about: "transactions of several nodes wait for each other, and are seen whole",
        run: deadlock::run,
        ..DEFAULT
    },
];
