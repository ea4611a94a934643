//! The coordination store of a cluster on one machine: a directory.
//!
//! # How it works
//! * Each entry is a directory with a file `.entry` in it, replaced by atomic rename ([`record`]).
//! * Writers hold the file lock of `.lock`. A change of several entries is written to `.journal`
//!   first, and the next client finishes it ([`write`]).
//! * A client holds the lock of its file in `.sessions`. The kernel releases it when the process
//!   dies, and from then on the client's ephemeral entries are not there any more ([`holder`]).
//! * Writers touch `.revision`; inotify tells the others. A sweep every few seconds, twice a second where there is
//!   no inotify, catches what was not told and removes what the dead have left ([`changes`]).
//!
//! # What is not guaranteed
//! A process that is stopped (`SIGSTOP`) keeps its session. File locks need a local file system.

mod changes;
mod decide;
mod holder;
mod record;
mod store;
mod write;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch as channel;
use tokio_util::sync::CancellationToken;

use super::entry::{check_ops, check_write};
use super::{
    leadership, path, Coordination, Entry, Error, Leadership, Lease, Op, Owner, Result,
    SessionState, Timeouts, Version, Watch,
};
use store::Store;

/// A client of a `dir://` store.
#[derive(Debug)]
pub struct Directory {
    store: Arc<Store>,
    timeouts: Timeouts,
    /// What [`Coordination::create_ephemeral`] has promised to keep.
    kept: Mutex<BTreeMap<String, Vec<u8>>>,
    state: channel::Sender<SessionState>,
    /// How many sessions there have been.
    sessions: AtomicU64,
    /// Counts the moments at which something may have changed.
    ticks: channel::Sender<u64>,
    closed: CancellationToken,
    me: Weak<Self>,
}

impl Directory {
    /// Opens the store below `root`, which is made if it is not there.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the directory cannot be made or written.
    pub async fn open(root: &Path, identity: &str, timeouts: Timeouts) -> Result<Arc<Self>> {
        let (root, identity) = (root.to_owned(), identity.to_owned());
        let store = tokio::task::spawn_blocking(move || Store::open(root, &identity))
            .await
            .map_err(|error| Error::Unavailable {
                reason: error.to_string(),
            })??;
        let client = Arc::new_cyclic(|me| Self {
            store: Arc::new(store),
            timeouts,
            kept: Mutex::default(),
            state: channel::Sender::new(SessionState::Connected { number: 1 }),
            sessions: AtomicU64::new(1),
            ticks: channel::Sender::new(0),
            closed: CancellationToken::new(),
            me: me.clone(),
        });
        tokio::spawn(changes::serve(
            Arc::downgrade(&client),
            client.closed.clone(),
        ));
        Ok(client)
    }

    /// Runs `work`, which blocks, elsewhere. It is given the moment by which it has to give up.
    async fn run<T: Send + 'static>(
        &self,
        call: &'static str,
        work: impl FnOnce(&Store, Instant) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if self.closed.is_cancelled() {
            return Err(Error::Closed);
        }
        let store = self.store.clone();
        let deadline = Instant::now() + self.timeouts.call;
        let work = tokio::task::spawn_blocking(move || work(&store, deadline));
        match tokio::time::timeout_at(deadline.into(), work).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(Error::Unavailable {
                reason: error.to_string(),
            }),
            Err(_) => Err(Error::DeadlineExceeded {
                call: call.to_owned(),
            }),
        }
    }

    async fn apply(&self, call: &'static str, ops: Vec<Op>, parents: bool) -> Result<()> {
        self.run(call, move |store, deadline| {
            store.apply(&ops, parents, deadline)
        })
        .await
    }

    /// A watch on what `read` finds.
    async fn follow<T, F>(&self, read: F) -> Result<Watch<T>>
    where
        T: Clone + PartialEq + Send + Sync + 'static,
        F: Fn(&Store, Instant) -> Result<T> + Clone + Send + Sync + 'static,
    {
        // Subscribed before the first read, so that nothing falls in between.
        let mut ticks = self.ticks.subscribe();
        let (feed, watch) = Watch::new(self.run("watch", read.clone()).await?);
        let (me, closed) = (self.me.clone(), self.closed.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = feed.stopped.cancelled() => return,
                    () = closed.cancelled() => return,
                    ticked = ticks.changed() => if ticked.is_err() { return },
                }
                let Some(client) = me.upgrade() else { return };
                // What cannot be read now is read at the next tick.
                if let Ok(value) = client.run("watch", read.clone()).await {
                    feed.show(value);
                }
            }
        });
        Ok(watch)
    }

    /// Replaces a session whose file was removed, with all that was promised to be kept.
    /// Not before the second look: the whole store may be about to be removed.
    async fn replace_session(&self) {
        if self.state.borrow().number().is_some() {
            self.state.send_replace(SessionState::Lost);
            return;
        }
        if self
            .run("session", |store, _| store.new_session())
            .await
            .is_err()
        {
            return;
        }
        let kept = self.kept.lock().clone();
        for (path, data) in kept {
            let ops = vec![Op::CreateEphemeral {
                path: path.clone(),
                data,
            }];
            if let Err(error) = self.apply("register again", ops, true).await {
                tracing::warn!(path, %error, "an ephemeral entry could not be made again");
            }
        }
        let number = self.sessions.fetch_add(1, Ordering::Relaxed) + 1;
        self.state.send_replace(SessionState::Connected { number });
    }
}

#[async_trait]
impl Coordination for Directory {
    async fn get(&self, path: &str) -> Result<Option<Entry>> {
        path::check(path)?;
        let path = path.to_owned();
        self.run("get", move |store, deadline| store.get(&path, deadline))
            .await
    }

    async fn children(&self, path: &str) -> Result<Vec<String>> {
        path::check(path)?;
        let path = path.to_owned();
        self.run("children", move |store, deadline| {
            store.children(&path, deadline)
        })
        .await
    }

    async fn get_fresh(&self, path: &str) -> Result<Option<Entry>> {
        self.get(path).await
    }

    async fn create(&self, path: &str, data: &[u8]) -> Result<Version> {
        check_write(path, data)?;
        let ops = vec![Op::Create {
            path: path.to_owned(),
            data: data.to_vec(),
        }];
        self.apply("create", ops, true)
            .await
            .map(|()| Version::FIRST)
    }

    async fn create_ephemeral(&self, path: &str, data: &[u8]) -> Result<Version> {
        check_write(path, data)?;
        let ops = vec![Op::CreateEphemeral {
            path: path.to_owned(),
            data: data.to_vec(),
        }];
        self.apply("create_ephemeral", ops, true).await?;
        self.kept.lock().insert(path.to_owned(), data.to_vec());
        Ok(Version::FIRST)
    }

    async fn publish(&self, path: &str, data: &[u8]) -> Result<Version> {
        check_write(path, data)?;
        match self.get_fresh(path).await? {
            None => self.create_ephemeral(path, data).await,
            Some(entry) if entry.owner == Owner::ThisClient => {
                let version = self.put(path, data, entry.version).await?;
                self.kept.lock().insert(path.to_owned(), data.to_vec());
                Ok(version)
            }
            Some(_) => Err(Error::AlreadyExists {
                path: path.to_owned(),
            }),
        }
    }

    async fn put(&self, path: &str, data: &[u8], expected: Version) -> Result<Version> {
        check_write(path, data)?;
        let ops = vec![Op::Put {
            path: path.to_owned(),
            data: data.to_vec(),
            expected,
        }];
        self.apply("put", ops, false).await?;
        if let Some(kept) = self.kept.lock().get_mut(path) {
            *kept = data.to_vec();
        }
        Ok(expected.next())
    }

    async fn delete(&self, path: &str, expected: Version) -> Result<()> {
        path::check(path)?;
        self.apply(
            "delete",
            vec![Op::Delete {
                path: path.to_owned(),
                expected,
            }],
            false,
        )
        .await?;
        self.kept.lock().remove(path);
        Ok(())
    }

    async fn multi(&self, ops: Vec<Op>) -> Result<()> {
        check_ops(&ops)?;
        self.apply("multi", ops, false).await
    }

    async fn watch(&self, path: &str) -> Result<Watch<Option<Entry>>> {
        path::check(path)?;
        let path = path.to_owned();
        self.follow(move |store, deadline| store.get(&path, deadline))
            .await
    }

    async fn watch_children(&self, path: &str) -> Result<Watch<Vec<String>>> {
        path::check(path)?;
        let path = path.to_owned();
        self.follow(move |store, deadline| store.children(&path, deadline))
            .await
    }

    async fn campaign(&self, path: &str, candidate: &str) -> Result<Leadership> {
        let store = self.me.upgrade().ok_or(Error::Closed)?;
        leadership::campaign(store, path, candidate).await
    }

    fn session(&self) -> channel::Receiver<SessionState> {
        self.state.subscribe()
    }

    fn lease(&self) -> Lease {
        if self.state.borrow().is_connected() {
            Lease::Process
        } else {
            Lease::Ended
        }
    }

    fn session_timeout(&self) -> Duration {
        changes::SWEEP_INTERVAL
    }

    async fn close(&self) {
        if self.closed.is_cancelled() {
            return;
        }
        // Whatever goes wrong here, the others see the lock released and clean up.
        let _ = self
            .run("close", |store, deadline| store.end_session(deadline))
            .await;
        self.closed.cancel();
        self.state.send_replace(SessionState::Closed);
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}
