//! What the steps of one running operation work with.

use std::sync::Arc;
use std::time::Duration;

use expanse_core::wire::Operation;
use parking_lot::Mutex;
use tokio::time::{sleep, Instant};
use tokio_util::sync::CancellationToken;

use super::error::{Error, Result};
use super::fault::{self, Side};
use super::journal::{Journal, JournalEntry};
use super::kept::Kept;
use super::members::members;
use super::refusal::Refusal;
use super::state::Typed;
use crate::cluster::Node;
use crate::config::Config;
use crate::coordination::{self, Leadership, Op, Version};
use crate::executor::{Command, Executor, Weight};
use crate::postgres::NodeAddress;

/// Progress reaches the journal at most this often.
const REPORT_INTERVAL: Duration = Duration::from_millis(400);

/// What all operations of one leader share.
pub struct Shared {
    pub config: Arc<Config>,
    pub executor: Executor,
    pub journal: Journal,
    pub leadership: Leadership,
    /// The leader's own server.
    pub local: NodeAddress,
    /// Held while the set of nodes changes or a group switches: the two must not meet.
    pub exclusive: tokio::sync::Mutex<()>,
    /// What the operations of one kind share.
    pub kept: Kept,
}

pub struct Context {
    shared: Arc<Shared>,
    id: i64,
    entry: Mutex<JournalEntry>,
    /// Held while the journal is written.
    version: tokio::sync::Mutex<Version>,
    reported_at: Mutex<Option<Instant>>,
    cancelled: CancellationToken,
    paused: CancellationToken,
    kept: Kept,
}

impl Context {
    pub fn new(shared: Arc<Shared>, entry: JournalEntry, version: Version) -> Self {
        let context = Self {
            shared,
            id: entry.operation.operation_id,
            entry: Mutex::new(entry.clone()),
            version: tokio::sync::Mutex::new(version),
            reported_at: Mutex::new(None),
            cancelled: CancellationToken::new(),
            paused: CancellationToken::new(),
            kept: Kept::default(),
        };
        context.interrupt(&entry);
        context
    }

    fn interrupt(&self, theirs: &JournalEntry) {
        if theirs.pause_requested {
            self.paused.cancel();
        }
        if theirs.cancel_requested || theirs.pause_requested {
            self.cancelled.cancel();
        }
    }

    pub fn id(&self) -> i64 {
        self.id
    }

    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    pub fn executor(&self) -> &Executor {
        &self.shared.executor
    }

    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    pub fn local(&self) -> &NodeAddress {
        &self.shared.local
    }

    pub fn exclusive(&self) -> &tokio::sync::Mutex<()> {
        &self.shared.exclusive
    }

    /// The entry as it is now.
    pub fn entry(&self) -> JournalEntry {
        self.entry.lock().clone()
    }

    /// What was requested of an operation of kind `K`.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn parameters<K: Typed>(&self) -> Result<K::Parameters> {
        self.entry.lock().parameters::<K>()
    }

    /// What the steps of an operation of kind `K` have found out and decided.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn state<K: Typed>(&self) -> Result<K::State> {
        self.entry.lock().state::<K>()
    }

    /// `found`, which an earlier step must have noted under that name.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is not there.
    pub fn noted<T>(&self, found: Option<T>, name: &str) -> Result<T> {
        found.ok_or_else(|| Error::Damaged {
            operation_id: self.id,
            reason: format!("\"{name}\" is missing"),
        })
    }

    /// Changes the state of an operation of kind `K`, for later steps and for the leader that resumes it.
    ///
    /// # Errors
    /// Those of the store; [`Error::Deposed`]; [`Error::Damaged`].
    pub async fn change_state<K: Typed>(&self, change: impl FnOnce(&mut K::State)) -> Result<()> {
        self.entry.lock().change_state::<K>(change)?;
        self.write().await
    }

    /// The same, unless the operation has been cancelled before: whether it was changed.
    ///
    /// # Errors
    /// As [`change_state`](Self::change_state).
    pub async fn change_state_unless_cancelled<K: Typed>(
        &self,
        change: impl Fn(&mut K::State),
    ) -> Result<bool> {
        let mut version = self.version.lock().await;
        loop {
            let mut entry = self.entry();
            if entry.cancel_requested {
                return if self.shared.leadership.holds() {
                    Ok(false)
                } else {
                    Err(Error::Deposed)
                };
            }
            entry.change_state::<K>(&change)?;
            match self.write_entry(entry, *version).await? {
                Some(written) => {
                    *version = written;
                    self.entry.lock().change_state::<K>(&change)?;
                    return Ok(true);
                }
                None => *version = self.refresh().await?,
            }
        }
    }

    /// What the kind keeps in memory while the operation runs here.
    pub fn kept<T: std::any::Any + Send + Sync + Default>(&self) -> Arc<T> {
        self.kept.get()
    }

    /// What the operations of a kind share in memory.
    pub fn shared<T: std::any::Any + Send + Sync + Default>(&self) -> Arc<T> {
        self.shared.kept.get()
    }

    /// Changes the entry, here and in the journal.
    ///
    /// # Errors
    /// Those of the store; [`Error::Deposed`].
    pub async fn change(&self, change: impl FnOnce(&mut JournalEntry)) -> Result<()> {
        change(&mut self.entry.lock());
        self.write().await
    }

    /// Changes what people see of the operation; reaches the journal within a moment.
    ///
    /// # Errors
    /// Those of the store; [`Error::Deposed`].
    pub async fn report(&self, change: impl FnOnce(&mut Operation)) -> Result<()> {
        {
            let mut entry = self.entry.lock();
            let before = entry.operation.clone();
            change(&mut entry.operation);
            let unchanged = entry.operation == before;
            let recent = self
                .reported_at
                .lock()
                .is_some_and(|at| at.elapsed() < REPORT_INTERVAL);
            if unchanged || recent {
                return Ok(());
            }
        }
        *self.reported_at.lock() = Some(Instant::now());
        self.write().await
    }

    /// Says what the operation is doing.
    ///
    /// # Errors
    /// Those of the store; [`Error::Deposed`].
    pub async fn phase(&self, phase: impl Into<String>) -> Result<()> {
        let phase = phase.into();
        self.report(|operation| operation.phase = phase).await
    }

    async fn write(&self) -> Result<()> {
        let mut version = self.version.lock().await;
        loop {
            match self.write_entry(self.entry(), *version).await? {
                Some(written) => {
                    *version = written;
                    return Ok(());
                }
                None => *version = self.refresh().await?,
            }
        }
    }

    /// Writes the entry; its new version, `None` if a request was noted meanwhile.
    async fn write_entry(
        &self,
        mut entry: JournalEntry,
        expected: Version,
    ) -> Result<Option<Version>> {
        self.still_leads()?;
        entry.operation.epoch = self.shared.leadership.epoch();
        let fence = self.shared.leadership.fence();
        let kind = entry.operation.kind;
        fault::point(kind, Side::Before).await;
        match self.journal().write(fence, &entry, expected).await {
            Ok(written) => {
                fault::point(kind, Side::After).await;
                Ok(Some(written))
            }
            Err(Error::Store(coordination::Error::VersionMismatch { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes over what was requested meanwhile; the version read.
    async fn refresh(&self) -> Result<Version> {
        let found = self.journal().get(self.id).await?;
        let (theirs, version) = found.ok_or(Error::Deposed)?;
        {
            let mut entry = self.entry.lock();
            entry.cancel_requested = theirs.cancel_requested;
            entry.pause_requested = theirs.pause_requested;
            entry.finish_requested = theirs.finish_requested;
        }
        self.interrupt(&theirs);
        Ok(version)
    }

    /// Brings what is requested of the operation up to date.
    ///
    /// # Errors
    /// Those of the store; [`Error::Deposed`].
    pub async fn read_requests(&self) -> Result<()> {
        let mut version = self.version.lock().await;
        *version = self.refresh().await?;
        Ok(())
    }

    /// Interrupts the operation when that is requested, until this sidecar is deposed. What is requested is read
    /// ([`Context::read_requests`]) by what is interrupted: a watch may be late.
    pub async fn watch_requests(&self) {
        let path = Journal::path(self.id);
        loop {
            if let Ok(mut watch) = self.journal().store().watch(&path).await {
                loop {
                    let theirs = watch
                        .current()
                        .and_then(|found| super::journal::decode(self.id, &found.data).ok());
                    if let Some(theirs) = theirs {
                        self.interrupt(&theirs);
                    }
                    if watch.changed().await.is_err() {
                        break;
                    }
                }
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// Fires when the operation is to be left where it can be undone: cancelled, or paused.
    pub fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// Fires when the operation is to be paused, wherever it is.
    pub fn paused(&self) -> &CancellationToken {
        &self.paused
    }

    /// In front of a write to the store that only the leader may make.
    pub fn fence(&self) -> Op {
        self.shared.leadership.fence()
    }

    /// Fires when this sidecar must not act any more.
    pub fn deposed(&self) -> CancellationToken {
        self.shared.leadership.lost()
    }

    /// [`Error::Deposed`] if this sidecar must not act any more.
    ///
    /// # Errors
    /// Only that.
    pub fn still_leads(&self) -> Result<()> {
        if self.shared.leadership.holds() {
            Ok(())
        } else {
            Err(Error::Deposed)
        }
    }

    /// All nodes of the cluster, in one fixed order.
    ///
    /// # Errors
    /// Those of the local server; [`Error::Refused`] if that has left the cluster.
    pub async fn nodes(&self) -> Result<Vec<Node>> {
        members(self.executor(), self.local()).await
    }

    /// One node by its name.
    ///
    /// # Errors
    /// Those of the local server; [`Error::Refused`] if there is no such node, or not any more.
    pub async fn node(&self, node_name: &str) -> Result<Node> {
        let nodes = self.nodes().await?;
        nodes
            .into_iter()
            .find(|node| node.address.node_name == node_name && !node.leaving())
            .ok_or_else(|| {
                let node = node_name.to_owned();
                Refusal::UnknownNode { node }.into()
            })
    }

    /// Waits for the time between two looks at the nodes.
    pub async fn poll_interval(&self) {
        sleep(Duration::from_millis(
            self.config().operations.poll_interval_ms,
        ))
        .await;
    }
}

/// A command of an operation's step: steps are repeated as a whole, so their commands are safe.
pub const fn maintenance(name: &'static str) -> Command {
    Command::new(name, Weight::Maintenance).safe()
}
