//! Entries, their versions, and operations on several of them at once.

use super::{path, Error, Result};

/// The most bytes an entry may hold: 1 MiB less what ZooKeeper's packet needs around it
/// (its `jute.maxbuffer` is 1 MiB for the whole packet).
pub const MAX_ENTRY_BYTES: usize = 1024 * 1024 - 16 * 1024;

/// How often an entry has been changed since it was made. Zero is a version like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub i32);

impl Version {
    /// The version of an entry that has just been made.
    pub const FIRST: Self = Self(0);

    /// The version after one more change.
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Who keeps an entry alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// None: it stays until it is deleted.
    Persistent,
    /// The current session of the client that read it.
    ThisClient,
    /// The session of another client, or an earlier one of this client.
    OtherClient,
}

/// An entry as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub data: Vec<u8>,
    pub version: Version,
    pub owner: Owner,
}

impl Entry {
    /// The data as JSON. Entries are written by other programs: treat them as hostile.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the parser's reason.
    pub fn json<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T> {
        serde_json::from_slice(&self.data).map_err(|error| Error::Damaged {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }
}

/// One part of [`Coordination::multi`](super::Coordination::multi).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// The entry must be at this version.
    Check { path: String, expected: Version },
    /// As [`Coordination::create`](super::Coordination::create), its parent must exist.
    Create { path: String, data: Vec<u8> },
    /// An ephemeral entry that dies with the current session.
    CreateEphemeral { path: String, data: Vec<u8> },
    /// As [`Coordination::put`](super::Coordination::put).
    Put {
        path: String,
        data: Vec<u8>,
        expected: Version,
    },
    /// As [`Coordination::delete`](super::Coordination::delete).
    Delete { path: String, expected: Version },
}

impl Op {
    pub fn path(&self) -> &str {
        match self {
            Self::Check { path, .. }
            | Self::Create { path, .. }
            | Self::CreateEphemeral { path, .. }
            | Self::Put { path, .. }
            | Self::Delete { path, .. } => path,
        }
    }

    fn data(&self) -> &[u8] {
        match self {
            Self::Create { data, .. }
            | Self::CreateEphemeral { data, .. }
            | Self::Put { data, .. } => data,
            Self::Check { .. } | Self::Delete { .. } => &[],
        }
    }
}

/// Refuses what no store could take, before anything is sent.
pub(super) fn check_ops(ops: &[Op]) -> Result<()> {
    let mut bytes = 0;
    for op in ops {
        path::check(op.path())?;
        bytes += op.data().len() + op.path().len();
        check_size(op.path(), bytes)?;
    }
    Ok(())
}

pub(super) fn check_write(path: &str, data: &[u8]) -> Result<()> {
    path::check(path)?;
    check_size(path, data.len())
}

fn check_size(path: &str, bytes: usize) -> Result<()> {
    if bytes > MAX_ENTRY_BYTES {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            bytes,
        });
    }
    Ok(())
}
