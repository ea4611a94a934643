//! Scenarios: a cluster in a box is used, broken and mended, and has to keep its promises.
//!
//! Each scenario is a module with a function that is given a running cluster; [`ALL`] lists them. What they are made of
//! is in [`kit`]. A step never sleeps for something to happen: it waits for it, with a bound.
#![forbid(unsafe_code)]

pub mod kit;

mod crash;
mod daemon;
mod deadlock;
mod ensemble;
mod killsteps;
mod operations;
mod rebind;
mod rewrite;
mod schema;
mod shrink;
mod storage;
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

/// Sidecars and servers die at journal writes of operations.
const fn killsteps(
    name: &'static str,
    about: &'static str,
    parts: &'static [&'static str],
) -> Definition {
    Definition {
        name,
        about,
        run: killsteps::run,
        seconds: 150,
        parts,
        faults: true,
        ..DEFAULT
    }
}

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
    Definition {
        name: "daemon",
        about: "what operators see of the sidecar, and what it costs",
        run: daemon::run,
        seconds: 100,
        ..DEFAULT
    },
    Definition {
        name: "ensemble",
        about: "servers of the coordination store fail while data is written and read",
        run: ensemble::run,
        seconds: 150,
        coordination: "ensemble",
        ..DEFAULT
    },
    killsteps(
        "killsteps-members",
        "a node joins, its tables follow, it leaves",
        &["3"],
    ),
    killsteps(
        "killsteps-storage",
        "a storage comes, tables move, it goes",
        &["s5"],
    ),
    killsteps(
        "killsteps-rewrite",
        "tables get another distribution column",
        &["r9"],
    ),
    killsteps("killsteps-rebind", "all tables are rebound", &["a3"]),
    Definition {
        asked_only: true,
        ..killsteps(
            "killsteps",
            "any of these, as in killsteps/5, /s1, /r9, /a3",
            &["3", "s5", "r9", "a3"],
        )
    },
    Definition {
        asked_only: true,
        ..killsteps(
            "killsteps-all",
            "all of these, at every journal write: hours",
            &["all"],
        )
    },
    Definition {
        name: "schema",
        about: "the schema changes under load; indexes are made and dropped concurrently",
        run: schema::run,
        ..DEFAULT
    },
    Definition {
        name: "operations",
        about: "operations are paused, resumed and cancelled; maps age; tables join late",
        run: operations::run,
        seconds: 80,
        ..DEFAULT
    },
    Definition {
        name: "rebind",
        about: "a group moves, is compared, goes back and moves again under load",
        run: rebind::run,
        seconds: 90,
        ..DEFAULT
    },
    Definition {
        name: "shrink",
        about: "nodes come and leave, and one is lost for good",
        run: shrink::run,
        seconds: 100,
        ..DEFAULT
    },
    Definition {
        name: "storage",
        about: "tablespaces on all nodes; tables move into them under load",
        run: storage::run,
        ..DEFAULT
    },
    Definition {
        name: "rewrite",
        about: "tables get another distribution column, or their first, under load",
        run: rewrite::run,
        ..DEFAULT
    },
];
