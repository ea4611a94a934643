//! Holding up the writes of a group on all nodes while an expansion copies the last of them (a rebind's switch holds
//! its gates itself, in the transaction that binds: [`rebind`](super::rebind)).
//!
//! On every node a session takes `SHARE` on the group's gate, in one fixed order, each attempt
//! short, so that nobody queues behind a long transaction for longer. Statements that come later
//! wait at their own node before they plan. The limit is held inside the nodes:
//! `idle_in_transaction_session_timeout` ends a hold whose sidecar has gone away.

use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::context::Context;
use super::error::Result;
use crate::cluster::Node;
use crate::executor::{Command, Leased, Weight};

const HOLD: Command = Command::new("hold the gate", Weight::Critical);
/// For steps that are not part of the freeze itself.
const PREPARATION: Duration = Duration::from_secs(5);

/// Sessions that are ready to freeze, one a node.
pub struct Holds {
    sessions: Vec<Leased>,
    gate: String,
    lock_timeout: Duration,
}

/// Writes of the group wait until this is dropped or released.
pub struct Frozen<'a> {
    holds: &'a Holds,
    pub deadline: Instant,
}

impl Holds {
    /// Opens a transaction on every node; nothing is locked yet.
    ///
    /// # Errors
    /// Those of the nodes.
    pub async fn prepare(
        context: &Context,
        nodes: &[Node],
        group_id: i32,
        budget: Duration,
    ) -> Result<Self> {
        let lock_timeout =
            Duration::from_millis(context.config().operations.lock_timeout_ms).min(budget);
        let begin = format!(
            "BEGIN; SET LOCAL lock_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = {}",
            lock_timeout.as_millis(),
            budget.as_millis() + PREPARATION.as_millis(),
        );
        let open = |node: &Node| {
            let address = node.address.clone();
            let begin = begin.clone();
            async move {
                let session = context.executor().lease(&address, HOLD).await?;
                session.keep_to_yourself();
                session.batch("begin a freeze", &begin, PREPARATION).await?;
                Ok::<_, crate::postgres::Error>(session)
            }
        };
        let mut ordered: Vec<_> = nodes.iter().collect();
        ordered.sort_by_key(|node| node.node_id);
        let sessions = try_join_all(ordered.into_iter().map(open)).await?;
        Ok(Self {
            sessions,
            gate: format!("expanse.gate_{group_id}"),
            lock_timeout,
        })
    }

    /// Freezes, for `budget` at most.
    ///
    /// # Errors
    /// A lock that was not to be had in time (`55P03`), or a node that is gone.
    pub async fn freeze(&self, budget: Duration) -> Result<Frozen<'_>> {
        let frozen = Frozen {
            holds: self,
            deadline: Instant::now() + budget,
        };
        let lock = format!(
            "SET LOCAL idle_in_transaction_session_timeout = {}; LOCK TABLE {} IN SHARE MODE",
            budget.as_millis(),
            self.gate
        );
        for session in &self.sessions {
            let limit = frozen.left().max(Duration::from_millis(1));
            session
                .batch("freeze writes", &lock, limit.min(self.lock_timeout * 2))
                .await?;
        }
        Ok(frozen)
    }

    /// Ends the transactions; writes go on.
    pub async fn release(self) {
        let rollback = self
            .sessions
            .iter()
            .map(|session| session.batch("end a freeze", "ROLLBACK", Duration::from_secs(1)));
        // A session that does not answer is closed when it is dropped, and its timer runs.
        futures_util::future::join_all(rollback).await;
    }
}

impl Frozen<'_> {
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether every node still holds.
    ///
    /// # Errors
    /// A hold that has ended.
    pub async fn verify(&self) -> Result<()> {
        let limit = self.left().max(Duration::from_millis(1));
        let alive = self
            .holds
            .sessions
            .iter()
            .map(|session| session.batch("check a freeze", "SELECT 1", limit));
        try_join_all(alive).await?;
        Ok(())
    }
}
