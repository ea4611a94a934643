//! What the nodes of a cluster have to agree on while some of them are gone.
//!
//! A [`Coordination`] store is a small tree of entries: paths such as `/status/n1`, each with a
//! few bytes of data and a version. Two implementations keep one contract, checked by one suite
//! (`tests/coordination.rs`):
//!
//! * `zookeeper://host:port,host:port/path` for real clusters ([`zookeeper`]),
//! * `dir:///path` for a cluster on one machine ([`directory`]).
//!
//! # How to use it
//! * **Live state** of this process: [`Coordination::create_ephemeral`], renewed by
//!   [`Coordination::publish`]. The entry vanishes with the process.
//! * **Durable state**: [`Coordination::create`], then [`Coordination::put`] with the version that
//!   was read; [`update`] is the loop around both.
//! * **One at a time**: [`Coordination::campaign`]. Whatever a leader writes goes through
//!   [`Coordination::multi`] with [`Leadership::fence`] in front, so that a leader that has been
//!   deposed without noticing changes nothing.
//!
//! # What is not guaranteed
//! * [`Coordination::get`] may be behind by what other clients wrote in the last moments;
//!   [`Coordination::get_fresh`] is not.
//! * A [`Watch`] shows the latest value, not every value in between.
//! * A call that ends in [`Error::UnknownOutcome`] or [`Error::DeadlineExceeded`] may have changed
//!   the store, and may still do so until the session ends. Every write names the version it
//!   replaces, so repeating it is safe and a late arrival never overwrites newer data.

mod address;
pub mod directory;
mod entry;
mod error;
mod leadership;
mod path;
pub mod server;
mod session;
mod update;
mod watch;
pub mod zookeeper;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use address::{without_password, Address};
pub use entry::{Entry, Op, Owner, Version, MAX_ENTRY_BYTES};
pub use error::Error;
pub use leadership::Leadership;
pub use session::{Lease, SessionState};
pub use update::update;
pub use watch::Watch;

pub type Result<T> = std::result::Result<T, Error>;

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the first session is there, or [`connect`] fails.
    pub connect: Duration,
    /// Every call of [`Coordination`] ends within this, whatever happens to the store.
    pub call: Duration,
    /// How long the store keeps the ephemeral entries of a client it does not hear from. The
    /// store may choose another value: see [`Coordination::session_timeout`].
    pub session: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            call: Duration::from_secs(5),
            session: Duration::from_secs(6),
        }
    }
}

/// Connects to the store at `url`. `identity` names this process to people who look into the
/// store and into logs; it need not be unique.
///
/// # Errors
/// [`Error::InvalidAddress`]; [`Error::Unavailable`] if there is no session within
/// [`Timeouts::connect`]; [`Error::AccessDenied`] if the store refuses the credentials.
pub async fn connect(
    url: &str,
    identity: &str,
    timeouts: Timeouts,
) -> Result<Arc<dyn Coordination>> {
    match Address::parse(url)? {
        Address::Directory(root) => {
            Ok(directory::Directory::open(&root, identity, timeouts).await?)
        }
        Address::ZooKeeper(address) => {
            Ok(zookeeper::ZooKeeper::connect(address, identity, timeouts).await?)
        }
    }
}

/// A coordination store. See the module for how to use it.
///
/// Every method ends within [`Timeouts::call`], also when the whole store is gone, with
/// [`Error::DeadlineExceeded`] or [`Error::Unavailable`] at the latest. The exceptions are said:
/// [`campaign`](Self::campaign) and [`Watch::changed`] wait for others and take as long as that
/// takes.
///
/// Paths are absolute, `/` between the parts, no part empty, `.` or `..`, no control characters.
/// Data is opaque and at most [`MAX_ENTRY_BYTES`] long.
#[async_trait]
pub trait Coordination: Send + Sync + std::fmt::Debug {
    // ---- Reads. May be behind; never torn, never older than what this client wrote or saw. ----

    /// The entry at `path`, `None` if there is none.
    async fn get(&self, path: &str) -> Result<Option<Entry>>;

    /// The names of the entries directly below `path`, sorted; empty if there is no such entry.
    async fn children(&self, path: &str) -> Result<Vec<String>>;

    // ---- Linearizable reads. They see every write that had succeeded when the call began. ----

    /// As [`get`](Self::get), and fresh.
    async fn get_fresh(&self, path: &str) -> Result<Option<Entry>>;

    // ---- Linearizable writes. They happen once or not at all; where that cannot be found out
    //      in time the error is `UnknownOutcome`. ----

    /// Makes a persistent entry, and empty persistent entries for the parents it lacks. It starts
    /// at [`Version::FIRST`].
    ///
    /// # Errors
    /// [`Error::AlreadyExists`], [`Error::EphemeralParent`], [`Error::TooLarge`].
    async fn create(&self, path: &str, data: &[u8]) -> Result<Version>;

    /// Makes an entry that lives as long as this client: it is removed when the client is closed
    /// or its process dies, at the latest [`session_timeout`](Self::session_timeout) after the
    /// store heard from it last. While this client lives the entry is made again with its last
    /// data whenever the session had to be replaced.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] also while the entry of a predecessor has not vanished yet.
    async fn create_ephemeral(&self, path: &str, data: &[u8]) -> Result<Version>;

    /// Makes the ephemeral entry, or replaces its data if it is this client's already.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if it belongs to another client or is persistent.
    async fn publish(&self, path: &str, data: &[u8]) -> Result<Version>;

    /// Replaces the data of the entry if it is still at `expected`; the new version.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::VersionMismatch`], [`Error::TooLarge`].
    async fn put(&self, path: &str, data: &[u8], expected: Version) -> Result<Version>;

    /// Removes the entry if it is still at `expected`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::VersionMismatch`], [`Error::NotEmpty`].
    async fn delete(&self, path: &str, expected: Version) -> Result<()>;

    /// Does all of `ops` or none. Parents are not made by it. An entry made by
    /// [`Op::CreateEphemeral`] is *not* made again when the session had to be replaced.
    ///
    /// # Errors
    /// Those of the first operation that cannot be done, with its path.
    async fn multi(&self, ops: Vec<Op>) -> Result<()>;

    // ---- Watches. Eventually the latest value, also over reconnects and new sessions. ----

    /// The entry at `path` from now on.
    async fn watch(&self, path: &str) -> Result<Watch<Option<Entry>>>;

    /// The names directly below `path` from now on, sorted.
    async fn watch_children(&self, path: &str) -> Result<Watch<Vec<String>>>;

    // ---- Leadership. At most one holder at any time, each with a greater epoch. ----

    /// Waits, as long as it takes, until this client leads at `path`. The ephemeral entry at `path`
    /// is then `{"node_name": candidate, "epoch": .., "claim": ..}`. Dropping the future gives up
    /// the candidacy.
    ///
    /// # Errors
    /// [`Error::Closed`]; errors that repeating cannot mend, such as [`Error::AccessDenied`].
    async fn campaign(&self, path: &str, candidate: &str) -> Result<Leadership>;

    // ---- The session. Local, immediate. ----

    /// The state of the session from now on.
    fn session(&self) -> tokio::sync::watch::Receiver<SessionState>;

    /// Until when no other client can have taken what this client holds, on its own clock.
    fn lease(&self) -> Lease;

    /// The session timeout that the store has granted.
    fn session_timeout(&self) -> Duration;

    /// Ends the session: ephemeral entries go, watches end, every later call is refused with
    /// [`Error::Closed`]. Dropping the last reference does the same in the background.
    async fn close(&self);
}
