//! Runs commands on nodes: decides by the pure parts, acts here.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use expanse_core::live::{ExecutorClass, NodeLoad};
use parking_lot::Mutex;
use tokio::time::{sleep, Instant};
use tokio_postgres::types::{FromSqlOwned, ToSql};
use tokio_postgres::Row;

use super::report;
use super::retry::{Failed, Stop};
use super::settings::Shared;
use super::target::{Pass, Permit, Target};
use super::{Command, Weight};
use crate::alarms::{Alarms, Trouble};
use crate::config::{ExecutorConfig, PostgresConfig};
use crate::metrics::Snapshot;
use crate::postgres::{connect, Error, NodeAddress, Result, Session, THIS_SERVER};

/// Runs commands on nodes. Cheap to clone.
#[derive(Clone)]
pub struct Executor(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    /// By host and port.
    targets: Mutex<HashMap<(String, u16), Arc<Target>>>,
}

/// What is done on a node.
enum Work<'a> {
    Query(&'a str, &'a [&'a (dyn ToSql + Sync)]),
    Batch(&'a str),
}

impl Executor {
    pub fn new(postgres: PostgresConfig, config: &ExecutorConfig, alarms: Alarms) -> Self {
        Self(Arc::new(Inner {
            shared: Arc::new(Shared::new(postgres, config, alarms)),
            targets: Mutex::new(HashMap::new()),
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
        self.run(node, command, Work::Query(sql, parameters)).await
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
        self.run(node, command, Work::Batch(sql)).await.map(drop)
    }

    /// A session of one's own until it is dropped.
    ///
    /// # Errors
    /// [`Error::Busy`] if no socket came free in time, [`Error::NotAsked`], [`Error::Connect`].
    pub async fn lease(&self, node: &NodeAddress, command: Command) -> Result<Leased> {
        let target = self.target(node);
        let since = Instant::now();
        lease(&target, &command, since, self.deadline(&command)).await
    }

    /// New settings, for the commands that come next.
    pub fn reconfigure(&self, config: &ExecutorConfig) {
        self.0.shared.change(config.into());
        let targets: Vec<_> = self.0.targets.lock().values().cloned().collect();
        for target in targets {
            target.hand_out();
        }
    }

    /// How busy the nodes are, by name.
    pub fn set_loads(&self, loads: HashMap<String, NodeLoad>) {
        self.0.shared.set_loads(loads);
    }

    /// How busy a node is, from 0 to 1; 0 for one that says nothing.
    pub fn load(&self, node_name: &str) -> f64 {
        self.0.shared.load(node_name)
    }

    /// How many commands of maintenance may run on one node at a time.
    pub fn maintenance_limit(&self) -> usize {
        self.0.shared.settings().limits.class[Weight::Maintenance]
    }

    pub fn alarms(&self) -> &Alarms {
        &self.0.shared.alarms
    }

    /// Closes what has been idle for long, and forgets nodes that were not asked for.
    pub fn tidy(&self) {
        let mut targets = self.0.targets.lock();
        targets.retain(|_, target| {
            let forgotten = target.tidy();
            !forgotten || Arc::strong_count(target) > 1
        });
        drop(targets);
        self.alarms().fade(std::time::Instant::now());
    }

    /// Every class of every node.
    pub fn report(&self) -> Vec<ExecutorClass> {
        let mut targets: Vec<_> = self.0.targets.lock().values().cloned().collect();
        targets.sort_by(|a, b| a.address.cmp(&b.address));
        targets.iter().flat_map(|t| report::classes(t)).collect()
    }

    /// How long commands of each class waited for a socket, and how long their tries took.
    pub fn histograms(&self) -> Vec<(Weight, Snapshot, Snapshot)> {
        let shared = &self.0.shared;
        let both = |w: Weight| {
            let at = w as usize;
            (w, shared.waited[at].snapshot(), shared.ran[at].snapshot())
        };
        Weight::ALL.into_iter().map(both).collect()
    }

    async fn run(&self, node: &NodeAddress, command: Command, work: Work<'_>) -> Result<Vec<Row>> {
        let target = self.target(node);
        let since = Instant::now();
        let deadline = self.deadline(&command);
        let mut tries = 0;
        loop {
            let error = match one_try(&target, &command, &work, tries, (since, deadline)).await {
                Ok(rows) => {
                    target.succeeded();
                    let name = &target.address.node_name;
                    self.alarms().clear(name, command.name);
                    return Ok(rows);
                }
                Err(error) => error,
            };
            tries += 1;
            let left = deadline.saturating_duration_since(Instant::now());
            let failed = Failed::of(&error, &command, tries, left);
            let timing = self.0.shared.settings().timing;
            match failed.next(&timing, rand::random(), || target.pay()) {
                Ok(wait) => {
                    tracing::debug!(command = command.name, tries, %error, "will try again");
                    target.count(command.weight, |c| c.retries += 1);
                    sleep(wait).await;
                }
                Err(stop) => {
                    give_up(&target, &command, &error, stop);
                    return Err(error);
                }
            }
        }
    }

    pub(super) fn deadline(&self, command: &Command) -> Instant {
        let settings = self.0.shared.settings();
        let longest = command.limit.unwrap_or_default() * 2;
        command
            .deadline
            .unwrap_or_else(|| Instant::now() + settings.deadline.max(longest))
    }

    fn target(&self, node: &NodeAddress) -> Arc<Target> {
        let mut targets = self.0.targets.lock();
        let at = (node.host.clone(), node.port);
        if let Some(target) = targets.get(&at) {
            // A caller that asks for the local server need not know its name yet.
            if node.node_name == THIS_SERVER || node.node_name == target.address.node_name {
                return target.clone();
            }
        }
        let target = Arc::new(Target::new(node.clone(), self.0.shared.clone()));
        targets.insert(at, target.clone());
        target
    }
}

async fn one_try(
    target: &Arc<Target>,
    command: &Command,
    work: &Work<'_>,
    tries: u32,
    (since, deadline): (Instant, Instant),
) -> Result<Vec<Row>> {
    target.count(command.weight, |c| c.tries += 1);
    let session = lease(target, command, since, deadline).await?;
    let settings = target.shared.settings();
    let limit = settings.timing.try_limit(
        command.limit.unwrap_or(settings.timing.base_timeout),
        command.weight,
        tries,
        target.shared.load_factor(&target.address.node_name),
        deadline.saturating_duration_since(Instant::now()),
    );
    let started = Instant::now();
    let outcome = match work {
        Work::Query(sql, parameters) => session.query(command.name, sql, parameters, limit).await,
        Work::Batch(sql) => session
            .batch(command.name, sql, limit)
            .await
            .map(|()| Vec::new()),
    };
    let took = started.elapsed();
    target.shared.ran[command.weight as usize].observe(took);
    match &outcome {
        Ok(_) => target.took(command.name, took),
        Err(error) => target.judge(error),
    }
    if matches!(outcome, Err(Error::Timeout { .. })) {
        target.count(command.weight, |c| c.timeouts += 1);
    }
    outcome
}

async fn lease(
    target: &Arc<Target>,
    command: &Command,
    since: Instant,
    deadline: Instant,
) -> Result<Leased> {
    let node = &target.address;
    let not_asked = || Error::NotAsked {
        node: node.node_name.clone(),
        command: command.name,
    };
    let busy = || Error::Busy {
        node: node.node_name.clone(),
        command: command.name,
    };
    if !target.would_pass() {
        return Err(not_asked());
    }
    let asked_at = Instant::now();
    let (since, until) = (since.into_std(), deadline.into_std());
    let permit = target.admit(command, since, until).await;
    target.shared.waited[command.weight as usize].observe(asked_at.elapsed());
    let permit = permit.ok_or_else(busy)?;
    let pass = target.pass().ok_or_else(not_asked)?;
    // A connection from before says nothing about a node that has not answered since.
    let idle = match pass {
        Pass::Free => target.take_idle(command.mode),
        Pass::Probe(_) => None,
    };
    let session = match idle {
        Some(session) => session,
        None => {
            let left = deadline.saturating_duration_since(Instant::now());
            let connected = connect(&target.shared.postgres, node, command.mode, left).await;
            connected
                .inspect(|_| {
                    if matches!(pass, Pass::Probe(_)) {
                        target.answered();
                    }
                })
                .inspect_err(|error| target.judge(error))?
        }
    };
    drop(pass);
    Ok(Leased(Some((session, target.clone(), permit))))
}

/// Raises the alarm of a command that was given up.
fn give_up(target: &Target, command: &Command, error: &Error, stop: Stop) {
    target.count(command.weight, |c| c.failures += 1);
    if !stop.is_trouble() {
        return;
    }
    target.shared.alarms.raise(Trouble {
        node_name: target.address.node_name.clone(),
        what: command.name.to_owned(),
        why: format!("{error}; given up: {}", stop.reason()),
        hint: error.hint().unwrap_or_default().to_owned(),
        weight: command.alarm,
    });
}

/// A session that goes back to the pool when it is dropped.
pub struct Leased(Option<(Session, Arc<Target>, Permit)>);

impl Deref for Leased {
    type Target = Session;
    fn deref(&self) -> &Session {
        &self.0.as_ref().expect("taken only by drop").0
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        let Some((session, target, permit)) = self.0.take() else {
            return;
        };
        if !session.is_doubtful() {
            target.give_back(session);
            return;
        }
        // The socket is in use until the server has confirmed the end of what was given up.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            if session.settle().await {
                target.answered();
                target.give_back(session);
            } else {
                target.silent("a cancelled command did not end");
                drop(session);
            }
            drop(permit);
        });
    }
}
