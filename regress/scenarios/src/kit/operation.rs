//! Handles of operations.

use std::fmt;
use std::time::Duration;

use super::cluster::Cluster;
use super::failure::{Failure, Outcome};
use super::node::Node;
use super::poll::until;

/// What an operation can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Running,
    Paused,
    Succeeded,
    Failed,
    Cancelled,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Will it not change any more?
    pub fn ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// An operation that has been started.
#[derive(Clone)]
pub struct Operation {
    pub id: i64,
    cluster: Cluster,
}

impl Operation {
    pub fn new(id: i64, cluster: Cluster) -> Self {
        Self { id, cluster }
    }

    /// Does `cluster_operations` show that on any node? A node whose sidecar is gone shows what it knew last, so all are
    /// asked.
    ///
    /// # Errors
    /// [`Failure::Sql`] if the first node does not say which nodes there are.
    pub fn shows(&self, expression: &str, wanted: &str) -> Outcome<bool> {
        Ok(self.any_shows(&self.cluster.nodes()?, expression, wanted))
    }

    /// As [`Operation::shows`], on any of these nodes.
    pub fn any_shows(&self, nodes: &[Node], expression: &str, wanted: &str) -> bool {
        let query = format!(
            "SELECT {expression} FROM cluster_operations WHERE operation_id = {}",
            self.id
        );
        nodes
            .iter()
            .any(|node| node.says(&query, wanted).unwrap_or(false))
    }

    /// What the first node shows in `cluster_operations`.
    ///
    /// # Errors
    /// [`Failure::Sql`].
    pub fn shown(&self, expression: &str) -> Outcome<String> {
        self.cluster.node(1).ask(&format!(
            "SELECT {expression} FROM cluster_operations WHERE operation_id = {}",
            self.id
        ))
    }

    /// # Errors
    /// [`Failure::Sql`].
    pub fn is(&self, state: State) -> Outcome<bool> {
        self.shows("state", state.name())
    }

    /// Waits until it is in a state.
    ///
    /// # Errors
    /// [`Failure::Late`], with what is shown of it.
    pub fn until_state(&self, state: State) -> Outcome {
        until(&format!("operation {} is {state}", self.id), || {
            self.is(state)
        })
        .map_err(|late| self.explain(late))
    }

    /// Waits until it is in a phase.
    ///
    /// # Errors
    /// [`Failure::Late`], with what is shown of it.
    pub fn until_phase(&self, phase: &str) -> Outcome {
        self.until_shows("phase", phase)
    }

    /// Waits until `cluster_operations` shows that on any node.
    ///
    /// # Errors
    /// [`Failure::Late`], with what is shown of it.
    pub fn until_shows(&self, expression: &str, wanted: &str) -> Outcome {
        let what = format!("operation {} shows {expression} = {wanted}", self.id);
        until(&what, || self.shows(expression, wanted)).map_err(|late| self.explain(late))
    }

    fn explain(&self, late: Failure) -> Failure {
        let shown = self
            .shown("kind, target, state, phase, error")
            .unwrap_or_else(|error| error.to_string());
        Failure::Wrong(format!("{late}; it is: {shown}"))
    }

    /// Has a step of it been done, by what the sidecars have written?
    pub fn has_done(&self, step: &str) -> bool {
        self.log_line(&format!("step done operation={} step=\"{step}\"", self.id))
            .is_some()
    }

    /// Waits until a step of it has been done.
    ///
    /// # Errors
    /// [`Failure::Late`], with what is shown of it.
    pub fn until_done(&self, step: &str) -> Outcome {
        let what = format!("operation {} has done step {step}", self.id);
        until(&what, || Ok(self.has_done(step))).map_err(|late| self.explain(late))
    }

    /// How long after one step another was done, by the times in the logs.
    ///
    /// # Errors
    /// [`Failure::Wrong`] if one of them has not been done.
    pub fn time_between(&self, step: &str, later: &str) -> Outcome<Duration> {
        let (first, second) = (self.done_at(step)?, self.done_at(later)?);
        // A server can subtract times; nothing else here knows calendars.
        let micros = self.cluster.node(1).number(&format!(
            "SELECT (extract(epoch FROM '{second}'::timestamptz - '{first}'::timestamptz) * 1000000)::bigint"
        ))?;
        Ok(Duration::from_micros(micros.try_into().unwrap_or_default()))
    }

    fn done_at(&self, step: &str) -> Outcome<String> {
        let line = self.log_line(&format!("step done operation={} step=\"{step}\"", self.id));
        let time = line.and_then(|line| line.split(' ').next().map(str::to_owned));
        time.ok_or_else(|| Failure::Wrong(format!("step {step} has not been done")))
    }

    /// The first line of a sidecar's log with this text.
    pub fn log_line(&self, text: &str) -> Option<String> {
        let lines = self.cluster.sidecar_logs();
        let found = lines.into_iter().find(|(_, line)| line.contains(text));
        found.map(|(_, line)| line)
    }

    /// Is there a line about it with this text in a sidecar's log?
    pub fn logged(&self, text: &str) -> bool {
        let about = format!("operation={}", self.id);
        let is_about = |line: &str| {
            line.match_indices(&about).any(|(at, _)| {
                let next = line[at + about.len()..].chars().next();
                !next.is_some_and(|next| next.is_ascii_digit())
            })
        };
        let lines = self.cluster.sidecar_logs();
        lines
            .iter()
            .any(|(_, line)| line.contains(text) && is_about(line))
    }

    /// How often a sidecar has begun or gone on with it.
    pub fn runs(&self) -> usize {
        self.run_lines().len()
    }

    fn run_lines(&self) -> Vec<(Node, String)> {
        let text = format!("runs operation={} ", self.id);
        let mut lines = self.cluster.sidecar_logs();
        lines.retain(|(_, line)| line.contains(&text));
        lines
    }

    /// The node whose sidecar was the last to run it. Lines begin with their time.
    ///
    /// # Errors
    /// [`Failure::Wrong`] if none has.
    pub fn runner(&self) -> Outcome<Node> {
        let lines = self.run_lines();
        let last = lines.into_iter().max_by(|(_, a), (_, b)| a.cmp(b));
        last.map(|(node, _)| node)
            .ok_or_else(|| Failure::Wrong(format!("no sidecar has run operation {}", self.id)))
    }

    fn call(&self, function: &str) -> Outcome {
        let call = format!("SELECT {function}({})", self.id);
        self.cluster.node(1).ask(&call).map(drop)
    }

    /// # Errors
    /// [`Failure::Sql`].
    pub fn pause(&self) -> Outcome {
        self.call("cluster_pause")
    }

    /// # Errors
    /// [`Failure::Sql`].
    pub fn resume(&self) -> Outcome {
        self.call("cluster_resume")
    }

    /// # Errors
    /// [`Failure::Sql`].
    pub fn cancel(&self) -> Outcome {
        self.call("cluster_cancel")
    }

    /// # Errors
    /// [`Failure::Sql`].
    pub fn reverse(&self) -> Outcome {
        self.call("cluster_reverse")
    }

    /// # Errors
    /// [`Failure::Sql`].
    pub fn finish(&self) -> Outcome {
        self.call("cluster_finish")
    }
}
