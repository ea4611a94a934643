//! The journal of operations in the coordination store.
//!
//! `/operations/sequence` holds the last operation id, `/operations/<id>` an entry each. A new
//! entry and the sequence are written together, and only if no other operation was submitted meanwhile,
//! so that what was found out about conflicts still holds. Entries of running operations are
//! written with the leader's fence in front.

mod entry;
pub mod mirror;

use std::sync::Arc;

use expanse_core::wire::Operation;

use super::error::{Error, Result};
use super::kind::Kinds;
use super::refusal::Refusal;
use super::request::{self, Request};
use crate::coordination::{self, Coordination, Op, Version};

pub use entry::JournalEntry;

const ROOT: &str = "/operations";
const SEQUENCE: &str = "/operations/sequence";

#[derive(Clone, Debug)]
pub struct Journal {
    store: Arc<dyn Coordination>,
    kinds: &'static Kinds,
}

impl Journal {
    pub fn new(store: Arc<dyn Coordination>, kinds: &'static Kinds) -> Self {
        Self { store, kinds }
    }

    /// The kinds of operations that it may hold.
    pub fn kinds(&self) -> &'static Kinds {
        self.kinds
    }

    pub fn store(&self) -> &dyn Coordination {
        &*self.store
    }

    pub fn path(operation_id: i64) -> String {
        format!("{ROOT}/{operation_id}")
    }

    /// Adds an operation; its id.
    ///
    /// # Errors
    /// [`Error::Refused`] if it conflicts with one that has not finished.
    pub async fn submit(&self, operation: Operation) -> Result<i64> {
        let mut entry = JournalEntry::from(operation);
        loop {
            let (last, version) = self.sequence().await?;
            let running = self.unfinished().await?;
            if let Some(refusal) = self.kinds.conflict(&running, &entry.operation) {
                return Err(refusal.into());
            }
            let id = last + 1;
            entry.operation.operation_id = id;
            let written = self
                .store
                .multi(vec![
                    Op::Put {
                        path: SEQUENCE.into(),
                        data: id.to_string().into_bytes(),
                        expected: version,
                    },
                    Op::Create {
                        path: Self::path(id),
                        data: encode(&entry),
                    },
                ])
                .await;
            match written {
                Ok(()) => return Ok(id),
                Err(
                    coordination::Error::VersionMismatch { .. }
                    | coordination::Error::AlreadyExists { .. },
                ) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The writes that add entries which have finished; their ids are given here.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn appending(&self, entries: Vec<JournalEntry>) -> Result<Vec<Op>> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let (mut last, expected) = self.sequence().await?;
        let mut writes = Vec::new();
        for mut entry in entries {
            last += 1;
            entry.operation.operation_id = last;
            writes.push(Op::Create {
                path: Self::path(last),
                data: encode(&entry),
            });
        }
        writes.push(Op::Put {
            path: SEQUENCE.into(),
            data: last.to_string().into_bytes(),
            expected,
        });
        Ok(writes)
    }

    /// The last id that was given, and the version of the entry that says so.
    async fn sequence(&self) -> Result<(i64, Version)> {
        loop {
            if let Some(entry) = self.store.get_fresh(SEQUENCE).await? {
                let text = String::from_utf8_lossy(&entry.data);
                let last = text.trim().parse().map_err(|_| Error::Damaged {
                    operation_id: 0,
                    reason: format!("the sequence is \"{}\"", text.escape_debug()),
                })?;
                return Ok((last, entry.version));
            }
            match self.store.create(SEQUENCE, b"0").await {
                Ok(_) | Err(coordination::Error::AlreadyExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// One entry with its version; `None` if there is none.
    ///
    /// # Errors
    /// Those of the store; [`Error::Damaged`].
    pub async fn get(&self, operation_id: i64) -> Result<Option<(JournalEntry, Version)>> {
        let found = self.store.get_fresh(&Self::path(operation_id)).await?;
        found
            .map(|entry| Ok((decode(operation_id, &entry.data)?, entry.version)))
            .transpose()
    }

    /// The ids in the journal, oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn ids(&self) -> Result<Vec<i64>> {
        let names = self.store.children(ROOT).await?;
        Ok(ids_of(&names))
    }

    /// All operations, newest first; damaged entries are left out.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(&self) -> Result<Vec<Operation>> {
        let mut all = Vec::new();
        for id in self.ids().await?.into_iter().rev() {
            match self.get(id).await {
                Ok(Some((entry, _))) => all.push(entry.operation),
                Ok(None) => {}
                Err(error @ Error::Damaged { .. }) => {
                    tracing::warn!(operation = id, %error, "skipped")
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    async fn unfinished(&self) -> Result<Vec<Operation>> {
        let all = self.list().await?;
        Ok(all.into_iter().filter(|o| !o.state.finished()).collect())
    }

    /// Replaces an entry as the leader; the new version.
    ///
    /// # Errors
    /// [`Error::Deposed`] if the fence no longer holds; [`coordination::Error::VersionMismatch`]
    /// if the entry was changed meanwhile.
    pub async fn write(
        &self,
        fence: Op,
        entry: &JournalEntry,
        expected: Version,
    ) -> Result<Version> {
        let path = Self::path(entry.operation.operation_id);
        let data = encode(entry);
        let fence_path = fence.path().to_owned();
        let put = Op::Put {
            path: path.clone(),
            data: data.clone(),
            expected,
        };
        match self.store.multi(vec![fence, put]).await {
            Ok(()) => Ok(expected.next()),
            Err(
                coordination::Error::VersionMismatch { path, .. }
                | coordination::Error::NotFound { path },
            ) if path == fence_path => Err(Error::Deposed),
            Err(error) => {
                // An earlier try whose outcome was unknown may have been this very write.
                if error.is_ambiguous()
                    || matches!(error, coordination::Error::VersionMismatch { .. })
                {
                    if let Some(found) = self.store.get_fresh(&path).await? {
                        if found.data == data {
                            return Ok(found.version);
                        }
                    }
                }
                Err(error.into())
            }
        }
    }

    /// Notes a request for an operation, for the leader.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is no such operation, and those of [`request::apply`].
    pub async fn request(&self, operation_id: i64, request: Request) -> Result<()> {
        loop {
            let (mut entry, version) = self
                .get(operation_id)
                .await?
                .ok_or(Refusal::UnknownOperation { id: operation_id })?;
            let plan = self.kinds.plan(entry.operation.kind);
            if !request::apply(&mut entry, plan, request)? {
                return Ok(());
            }
            let path = Self::path(operation_id);
            match self.store.put(&path, &encode(&entry), version).await {
                Ok(_) => return Ok(()),
                Err(coordination::Error::VersionMismatch { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The ids among the names below `/operations`, sorted as numbers.
pub fn ids_of(names: &[String]) -> Vec<i64> {
    let mut ids: Vec<i64> = names.iter().filter_map(|name| name.parse().ok()).collect();
    ids.sort_unstable();
    ids
}

pub fn encode(entry: &JournalEntry) -> Vec<u8> {
    serde_json::to_vec(entry).expect("an entry is plain data")
}

pub fn decode(operation_id: i64, data: &[u8]) -> Result<JournalEntry> {
    serde_json::from_slice(data).map_err(|error| Error::Damaged {
        operation_id,
        reason: error.to_string(),
    })
}
