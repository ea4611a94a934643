//! Sockets to nodes, handed out one command at a time.

use std::collections::{HashMap, VecDeque};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_postgres::types::{FromSqlOwned, ToSql};
use tokio_postgres::Row;

use super::admission::{choose, granted, Limits, Load, Weight};
use super::{Command, Timing};
use crate::config::{ExecutorConfig, PostgresConfig};
use crate::postgres::{connect, Error, Mode, NodeAddress, Result, Session};

/// An idle connection older than this is closed rather than used again.
const OLDEST_SESSION: Duration = Duration::from_secs(600);
/// Idle connections that are kept to one node.
const MOST_IDLE: usize = 3;

/// Runs commands on nodes. Cheap to clone.
#[derive(Clone)]
pub struct Executor(Arc<Inner>);

struct Inner {
    settings: PostgresConfig,
    limits: Limits,
    timing: Timing,
    nodes: Mutex<HashMap<NodeAddress, Arc<Sockets>>>,
}

/// The sockets to one node.
struct Sockets {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    load: Load,
    queues: [VecDeque<oneshot::Sender<Permit>>; 4],
    idle: Vec<Session>,
}

impl Executor {
    pub fn new(settings: PostgresConfig, config: &ExecutorConfig) -> Self {
        Self(Arc::new(Inner {
            settings,
            limits: config.into(),
            timing: config.into(),
            nodes: Mutex::new(HashMap::new()),
        }))
    }

    /// The rows of one statement.
    ///
    /// # Errors
    /// Those of the last try.
    pub async fn query(
        &self,
        node: &NodeAddress,
        command: Command,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>> {
        let mut failed = 0;
        loop {
            let limit = self.try_limit(&command, failed);
            let outcome = match self.lease(node, command).await {
                Ok(session) => session.query(command.name, sql, parameters, limit).await,
                Err(error) => Err(error),
            };
            match outcome {
                Err(error) => {
                    failed += 1;
                    self.before_next_try(&command, failed, error).await?;
                }
                done => return done,
            }
        }
    }

    /// The first column of the one row of a statement.
    ///
    /// # Errors
    /// Those of the last try; [`Error::Answer`] if there is no row or it is of another type.
    pub async fn value<T: FromSqlOwned>(
        &self,
        node: &NodeAddress,
        command: Command,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<T> {
        let rows = self.query(node, command, sql, parameters).await?;
        crate::postgres::first_value(&node.node_name, command.name, &rows)
    }

    /// Statements without parameters, as one message.
    ///
    /// # Errors
    /// Those of the last try.
    pub async fn batch(&self, node: &NodeAddress, command: Command, sql: &str) -> Result<()> {
        let mut failed = 0;
        loop {
            let limit = self.try_limit(&command, failed);
            let outcome = match self.lease(node, command).await {
                Ok(session) => session.batch(command.name, sql, limit).await,
                Err(error) => Err(error),
            };
            match outcome {
                Err(error) => {
                    failed += 1;
                    self.before_next_try(&command, failed, error).await?;
                }
                done => return done,
            }
        }
    }

    /// A session of one's own until it is dropped.
    ///
    /// # Errors
    /// [`Error::Busy`] if no socket came free in time, [`Error::Connect`].
    pub async fn lease(&self, node: &NodeAddress, command: Command) -> Result<Leased> {
        let busy = || Error::Busy {
            node: node.node_name.clone(),
            command: command.name,
        };
        let sockets = self.sockets(node);
        let wait = command.left().unwrap_or(self.0.timing.max_timeout);
        let permit = timeout(wait, sockets.admit(command.weight))
            .await
            .map_err(|_| busy())?
            .ok_or_else(busy)?;
        let session = match sockets.take_idle(command.mode) {
            Some(session) => session,
            None => connect(&self.0.settings, node, command.mode).await?,
        };
        Ok(Leased {
            session: Some(session),
            sockets,
            _permit: permit,
        })
    }

    /// Closes idle connections to nodes that are not in `keep`.
    pub fn forget_all_but(&self, keep: &[NodeAddress]) {
        let mut nodes = self.0.nodes.lock();
        nodes.retain(|address, sockets| keep.contains(address) || Arc::strong_count(sockets) > 1);
    }

    fn try_limit(&self, command: &Command, attempt: u32) -> Duration {
        let base = command.limit.unwrap_or(self.0.timing.base_timeout);
        self.0
            .timing
            .try_limit(base, command.weight, attempt, command.left())
    }

    async fn before_next_try(&self, command: &Command, failed: u32, error: Error) -> Result<()> {
        let timing = &self.0.timing;
        if !timing.again(command.safe, error.is_retryable(), failed, command.left()) {
            return Err(error);
        }
        tracing::debug!(command = command.name, failed, %error, "will try again");
        let wait = timing.backoff(failed, rand::random());
        sleep(wait.min(command.left().unwrap_or(wait))).await;
        Ok(())
    }

    fn sockets(&self, node: &NodeAddress) -> Arc<Sockets> {
        let mut nodes = self.0.nodes.lock();
        let limits = self.0.limits;
        nodes
            .entry(node.clone())
            .or_insert_with(|| {
                Arc::new(Sockets {
                    limits,
                    state: Mutex::default(),
                })
            })
            .clone()
    }
}

impl Sockets {
    async fn admit(self: &Arc<Self>, weight: Weight) -> Option<Permit> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.state.lock();
            state.load.waiting[weight] += 1;
            state.queues[weight as usize].push_back(sender);
        }
        self.hand_out();
        receiver.await.ok()
    }

    /// Gives free sockets to whoever is to have them.
    fn hand_out(self: &Arc<Self>) {
        loop {
            let mut state = self.state.lock();
            for weight in Weight::ALL {
                let queue = &mut state.queues[weight as usize];
                // Those who no longer wait do not count.
                queue.retain(|waiter| !waiter.is_closed());
                let waiting = queue.len();
                state.load.waiting[weight] = waiting;
            }
            let Some(weight) = choose(&state.load, &self.limits) else {
                return;
            };
            let waiter = state.queues[weight as usize].pop_front();
            state.load = granted(state.load, weight);
            drop(state);
            let permit = Permit {
                weight,
                sockets: self.clone(),
            };
            if let Some(waiter) = waiter {
                // One who has just gone away gives the permit back by dropping it.
                drop(waiter.send(permit));
            }
        }
    }

    fn take_idle(&self, mode: Mode) -> Option<Session> {
        let mut state = self.state.lock();
        state
            .idle
            .retain(|s| s.reusable() && s.age() < OLDEST_SESSION);
        let at = state.idle.iter().position(|s| s.mode() == mode)?;
        Some(state.idle.swap_remove(at))
    }

    fn give_back(&self, session: Session) {
        if session.reusable() {
            let mut state = self.state.lock();
            if state.idle.len() < MOST_IDLE {
                state.idle.push(session);
            }
        }
    }
}

/// The right to one socket.
struct Permit {
    weight: Weight,
    sockets: Arc<Sockets>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.sockets.state.lock().load.in_use[self.weight] -= 1;
        self.sockets.hand_out();
    }
}

/// A session that goes back to the pool when it is dropped.
pub struct Leased {
    session: Option<Session>,
    sockets: Arc<Sockets>,
    _permit: Permit,
}

impl Deref for Leased {
    type Target = Session;
    fn deref(&self) -> &Session {
        self.session.as_ref().expect("taken only by drop")
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.sockets.give_back(session);
        }
    }
}
