//! What the executor needs to know of a command besides its SQL.

use std::time::Duration;

use tokio::time::Instant;

use super::Weight;
use crate::postgres::Mode;

/// How a command is run. The name is for people: it is in errors and logs.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    pub name: &'static str,
    pub weight: Weight,
    pub mode: Mode,
    /// Doing it twice is as good as once.
    pub safe: bool,
    /// Limit of the first try, if not the configured one.
    pub limit: Option<Duration>,
    /// Nothing, waiting included, goes on past this.
    pub deadline: Option<Instant>,
}

impl Command {
    pub const fn new(name: &'static str, weight: Weight) -> Self {
        Self {
            name,
            weight,
            mode: Mode::Local,
            safe: false,
            limit: None,
            deadline: None,
        }
    }

    /// Marks it as safe to repeat.
    pub const fn safe(mut self) -> Self {
        self.safe = true;
        self
    }

    /// Runs it as a client of the cluster instead of on the one node alone.
    pub const fn in_cluster(mut self) -> Self {
        self.mode = Mode::Cluster;
        self
    }

    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    pub const fn until(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }
}
