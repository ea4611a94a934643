//! The coordination store of a real cluster: ZooKeeper.
//!
//! # How it works
//! * One task keeps a session ([`supervisor`]): it connects, makes a new session when the server
//!   says that the old one has expired, makes the kept ephemeral entries again, and renews the
//!   lease by asking the ensemble's leader. Losing the connection is not losing the session.
//! * Reads are repeated until the deadline. Writes are operation lists whose every part says what
//!   it expects, so they are repeated as well; where a first try may have been carried out, the
//!   entries are read to find out ([`outcome`]).
//! * A watch is armed, read, and armed again after every event, reconnect and new session
//!   ([`watches`]).
//!
//! # Invariants
//! * Nothing is sent without a version, so a request that arrives late changes nothing newer.
//! * Nothing is sent while the connection is known to be down: the client library would keep it and
//!   send it later.
//!
//! # What is not guaranteed
//! That the server's session ends together with the client's: the library gives up a session at
//! 7/5 of its timeout, and a new leader of the ensemble starts the session's clock again. Old ephemeral
//! entries can therefore outlive the client's session a little, never the other way round.

mod calls;
mod outcome;
mod supervisor;
mod watches;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch as channel;
use tokio_util::sync::CancellationToken;
use zookeeper_client::{Acls, Client, CreateMode, CreateOptions, Stat};

use super::address::ZooKeeperAddress;
use super::entry::{check_ops, check_write};
use super::{
    leadership, path, Coordination, Entry, Error, Leadership, Lease, Op, Owner, Result,
    SessionState, Timeouts, Version, Watch,
};

/// A client of a `zookeeper://` store.
#[derive(Debug)]
pub struct ZooKeeper {
    shared: Arc<Shared>,
    me: Weak<Self>,
}

/// What the client and its tasks have in common.
#[derive(Debug)]
struct Shared {
    address: ZooKeeperAddress,
    identity: String,
    timeouts: Timeouts,
    state: channel::Sender<SessionState>,
    /// The library's client of the current session.
    live: Mutex<Option<Client>>,
    lease: Mutex<Lease>,
    granted: Mutex<Duration>,
    /// What [`Coordination::create_ephemeral`] has promised to keep.
    kept: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Sessions of this client that have ended: what they still hold is of no other client.
    former_sessions: Mutex<HashSet<i64>>,
    /// Why there is no session.
    trouble: Mutex<Option<Error>>,
    closed: CancellationToken,
    /// Cancelled once the session has been ended.
    ended: CancellationToken,
}

impl ZooKeeper {
    /// # Errors
    /// [`Error::Unavailable`] if there is no session within [`Timeouts::connect`].
    pub async fn connect(
        address: ZooKeeperAddress,
        identity: &str,
        timeouts: Timeouts,
    ) -> Result<Arc<Self>> {
        let shared = Arc::new(Shared {
            address,
            identity: identity.to_owned(),
            timeouts,
            state: channel::Sender::new(SessionState::Lost),
            live: Mutex::new(None),
            lease: Mutex::new(Lease::Ended),
            granted: Mutex::new(timeouts.session),
            kept: Mutex::default(),
            former_sessions: Mutex::default(),
            trouble: Mutex::new(None),
            closed: CancellationToken::new(),
            ended: CancellationToken::new(),
        });
        tokio::spawn(supervisor::serve(shared.clone()));
        let client = Arc::new_cyclic(|me| Self {
            shared: shared.clone(),
            me: me.clone(),
        });
        let mut state = shared.state.subscribe();
        let connected = state.wait_for(|state| state.is_connected());
        if tokio::time::timeout(timeouts.connect, connected)
            .await
            .is_err()
        {
            return Err(shared.unavailable());
        }
        Ok(client)
    }
}

impl Drop for ZooKeeper {
    fn drop(&mut self) {
        self.shared.closed.cancel();
    }
}

impl Shared {
    fn unavailable(&self) -> Error {
        let trouble = self.trouble.lock().clone();
        trouble.unwrap_or_else(|| Error::Unavailable {
            reason: format!("no connection to {}", self.address.servers),
        })
    }

    /// Entries of an authenticated client are for that user alone.
    fn acls(&self) -> Acls<'static> {
        if self.address.credentials.is_some() {
            Acls::creator_all()
        } else {
            Acls::anyone_all()
        }
    }

    fn persistent(&self) -> CreateOptions<'static> {
        CreateMode::Persistent.with_acls(self.acls())
    }

    fn ephemeral(&self) -> CreateOptions<'static> {
        CreateMode::Ephemeral.with_acls(self.acls())
    }

    /// Makes an ephemeral entry, in the place of one that a former session of this client has left.
    async fn register(&self, path: &str, data: &[u8]) -> Result<()> {
        let deadline = Instant::now() + self.timeouts.call;
        loop {
            match self.replace(path, data).await {
                // What had been looked at has changed before it could be replaced: the former session's last
                // writes arrived, or its end, or another call of this client was first.
                Err(Error::VersionMismatch { .. } | Error::NotFound { .. })
                    if Instant::now() < deadline => {}
                result => return result,
            }
        }
    }

    /// One try to [`register`](Self::register).
    async fn replace(&self, path: &str, data: &[u8]) -> Result<()> {
        let create = || {
            vec![Op::CreateEphemeral {
                path: path.to_owned(),
                data: data.to_vec(),
            }]
        };
        match self.write_with_parents("create_ephemeral", create()).await {
            Err(Error::AlreadyExists { path }) => {
                let Some((_, stat)) = self.read("get", &path, calls::fresh).await? else {
                    return self.write("create_ephemeral", create()).await;
                };
                if !self.former_sessions.lock().contains(&stat.ephemeral_owner) {
                    return Err(Error::AlreadyExists { path });
                }
                let mut ops = vec![Op::Delete {
                    path,
                    expected: Version(stat.version),
                }];
                ops.extend(create());
                self.write("create_ephemeral", ops).await
            }
            other => other,
        }
    }

    /// Whether this client's current session has made the entry.
    async fn is_own(&self, path: &str) -> bool {
        let found = self.read("get", path, calls::entry).await;
        found
            .ok()
            .flatten()
            .is_some_and(|entry| entry.owner == Owner::ThisClient)
    }
}

fn entry(client: &Client, data: Vec<u8>, stat: &Stat) -> Entry {
    let owner = match stat.ephemeral_owner {
        0 => Owner::Persistent,
        owner if owner == client.session_id().0 => Owner::ThisClient,
        _ => Owner::OtherClient,
    };
    Entry {
        data,
        version: Version(stat.version),
        owner,
    }
}

#[async_trait]
impl Coordination for ZooKeeper {
    async fn get(&self, path: &str) -> Result<Option<Entry>> {
        self.shared.read("get", path, calls::entry).await
    }

    async fn children(&self, path: &str) -> Result<Vec<String>> {
        self.shared.read("children", path, calls::children).await
    }

    async fn get_fresh(&self, path: &str) -> Result<Option<Entry>> {
        self.shared
            .read("get_fresh", path, calls::fresh_entry)
            .await
    }

    async fn create(&self, path: &str, data: &[u8]) -> Result<Version> {
        check_write(path, data)?;
        let ops = vec![Op::Create {
            path: path.to_owned(),
            data: data.to_vec(),
        }];
        self.shared.write_with_parents("create", ops).await?;
        Ok(Version::FIRST)
    }

    async fn create_ephemeral(&self, path: &str, data: &[u8]) -> Result<Version> {
        check_write(path, data)?;
        self.shared.register(path, data).await?;
        self.shared
            .kept
            .lock()
            .insert(path.to_owned(), data.to_vec());
        Ok(Version::FIRST)
    }

    async fn publish(&self, path: &str, data: &[u8]) -> Result<Version> {
        check_write(path, data)?;
        let deadline = Instant::now() + self.shared.timeouts.call;
        let version = loop {
            let tried = match self.get_fresh(path).await? {
                Some(entry) if entry.owner == Owner::ThisClient => {
                    self.put(path, data, entry.version).await
                }
                _ => self.create_ephemeral(path, data).await,
            };
            match tried {
                // Another call, or a new session that makes the kept entries again, was first.
                Err(Error::VersionMismatch { .. } | Error::NotFound { .. })
                    if Instant::now() < deadline => {}
                Err(Error::AlreadyExists { .. })
                    if Instant::now() < deadline && self.shared.is_own(path).await => {}
                result => break result?,
            }
        };
        self.shared
            .kept
            .lock()
            .insert(path.to_owned(), data.to_vec());
        Ok(version)
    }

    async fn put(&self, path: &str, data: &[u8], expected: Version) -> Result<Version> {
        check_write(path, data)?;
        let ops = vec![Op::Put {
            path: path.to_owned(),
            data: data.to_vec(),
            expected,
        }];
        self.shared.write("put", ops).await?;
        if let Some(kept) = self.shared.kept.lock().get_mut(path) {
            *kept = data.to_vec();
        }
        Ok(expected.next())
    }

    async fn delete(&self, path: &str, expected: Version) -> Result<()> {
        path::check(path)?;
        let ops = vec![Op::Delete {
            path: path.to_owned(),
            expected,
        }];
        self.shared.write("delete", ops).await?;
        self.shared.kept.lock().remove(path);
        Ok(())
    }

    async fn multi(&self, ops: Vec<Op>) -> Result<()> {
        check_ops(&ops)?;
        self.shared.write("multi", ops).await
    }

    async fn watch(&self, path: &str) -> Result<Watch<Option<Entry>>> {
        watches::follow(&self.shared, path, watches::arm_entry).await
    }

    async fn watch_children(&self, path: &str) -> Result<Watch<Vec<String>>> {
        watches::follow(&self.shared, path, watches::arm_children).await
    }

    async fn campaign(&self, path: &str, candidate: &str) -> Result<Leadership> {
        let store = self.me.upgrade().ok_or(Error::Closed)?;
        leadership::campaign(store, path, candidate).await
    }

    fn session(&self) -> channel::Receiver<SessionState> {
        self.shared.state.subscribe()
    }

    fn lease(&self) -> Lease {
        *self.shared.lease.lock()
    }

    fn session_timeout(&self) -> Duration {
        *self.shared.granted.lock()
    }

    async fn close(&self) {
        self.shared.closed.cancel();
        self.shared.ended.cancelled().await;
    }
}
