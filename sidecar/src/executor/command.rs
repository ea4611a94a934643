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
    /// Weight of the alarm when it is given up.
    pub alarm: Weight,
    pub mode: Mode,
    /// Doing it twice is as good as once.
    pub safe: bool,
    /// It is never repeated: the caller will ask again by itself.
    pub once: bool,
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
            alarm: weight,
            mode: Mode::Local,
            safe: false,
            once: false,
            limit: None,
            deadline: None,
        }
    }

    /// Marks it as safe to repeat.
    pub const fn safe(mut self) -> Self {
        self.safe = true;
        self
    }

    /// Marks it as one that is asked for again and again, so that no repetition is spent on it.
    pub const fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// Runs it as a client of the cluster instead of on the one node alone.
    pub const fn in_cluster(mut self) -> Self {
        self.mode = Mode::Cluster;
        self
    }

    /// Gives an alarm another weight than the command: the heavier it is, the more people hear of it.
    pub const fn alarm(mut self, weight: Weight) -> Self {
        self.alarm = weight;
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
