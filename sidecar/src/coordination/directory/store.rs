//! The tree of files behind the directory store. Everything here blocks.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use parking_lot::RwLock;

use super::holder::{self, Holder};
use super::record::{decode_part, encode_part, Record};
use super::write::{open_own, subdirectories};
use crate::coordination::{Entry, Error, Op, Owner, Result};

#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    identity: String,
    holder: RwLock<Option<Holder>>,
}

/// What an operation list makes of the entries it touches; `None` is a deletion.
pub(super) type Changes = BTreeMap<String, Option<Record>>;

impl Store {
    /// # Errors
    /// [`Error::Unavailable`] if the directory cannot be made or written.
    pub fn open(root: PathBuf, identity: &str) -> Result<Self> {
        let store = Self {
            root,
            identity: identity.to_owned(),
            holder: RwLock::new(None),
        };
        store
            .make()
            .map_err(|error| store.failed(&store.root, &error))?;
        store.new_session()?;
        Ok(store)
    }

    fn make(&self) -> io::Result<()> {
        for directory in [self.root.clone(), self.sessions(), self.root.join(".tmp")] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)?;
        }
        open_own(&self.revision()).map(drop)
    }

    /// Begins a session, ending the one before. A store that has been removed is not made again.
    ///
    /// # Errors
    /// [`Error::Unavailable`]
    pub fn new_session(&self) -> Result<()> {
        let begun = Holder::begin(&self.sessions(), &self.identity)
            .map_err(|error| self.failed(&self.sessions(), &error))?;
        *self.holder.write() = Some(begun);
        Ok(())
    }

    /// Ends the session and removes what it held.
    ///
    /// # Errors
    /// [`Error::Unavailable`]
    pub fn end_session(&self, deadline: Instant) -> Result<()> {
        drop(self.holder.write().take());
        self.remove_dead(deadline)
    }

    pub fn session_stands(&self) -> bool {
        self.holder.read().as_ref().is_none_or(Holder::stands)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub fn sessions(&self) -> PathBuf {
        self.root.join(".sessions")
    }

    pub fn revision(&self) -> PathBuf {
        self.root.join(".revision")
    }

    /// # Errors
    /// [`Error::Damaged`], [`Error::Unavailable`]
    pub fn get(&self, path: &str, deadline: Instant) -> Result<Option<Entry>> {
        self.finish_journal(deadline)?;
        Ok(self.read(path)?.map(|record| Entry {
            owner: self.owner(&record),
            version: record.version,
            data: record.data,
        }))
    }

    /// # Errors
    /// [`Error::Damaged`], [`Error::Unavailable`]
    pub fn children(&self, path: &str, deadline: Instant) -> Result<Vec<String>> {
        self.finish_journal(deadline)?;
        self.list(path)
    }

    /// Does all of `ops` or none; with `parents`, makes the parents that are missing.
    ///
    /// # Errors
    /// Those of [`Coordination::multi`](crate::coordination::Coordination::multi).
    pub fn apply(&self, ops: &[Op], parents: bool, deadline: Instant) -> Result<()> {
        let _locked = self.lock(deadline)?;
        let session = self
            .holder
            .read()
            .as_ref()
            .map(|holder| holder.id().to_owned())
            .ok_or(Error::Closed)?;
        let mut changes = Changes::new();
        for op in ops {
            if parents {
                self.decide_parents(op.path(), &mut changes)?;
            }
            self.decide(op, &session, &mut changes)?;
        }
        self.write(&changes)
    }

    /// Removes the entries of clients that are gone.
    ///
    /// # Errors
    /// [`Error::Unavailable`]
    pub fn remove_dead(&self, deadline: Instant) -> Result<()> {
        let sessions = self.sessions();
        let dead = holder::dead(&sessions).map_err(|error| self.failed(&sessions, &error))?;
        if dead.is_empty() {
            return Ok(());
        }
        let _locked = self.lock(deadline)?;
        let mut changes = Changes::new();
        self.find_held(&self.root, "", &dead, &mut changes)?;
        self.write(&changes)?;
        for id in dead {
            // Another client may have been faster.
            let _ = std::fs::remove_file(sessions.join(id));
        }
        self.touch_revision()
    }

    fn find_held(
        &self,
        directory: &Path,
        path: &str,
        dead: &[String],
        changes: &mut Changes,
    ) -> Result<()> {
        for name in subdirectories(directory).map_err(|error| self.failed(directory, &error))? {
            let Some(part) = decode_part(&name) else {
                continue;
            };
            let (directory, path) = (directory.join(&name), format!("{path}/{part}"));
            let held = self.read_file(&path)?.and_then(|record| record.session);
            if held.is_some_and(|session| dead.contains(&session)) {
                changes.insert(path.clone(), None);
            }
            self.find_held(&directory, &path, dead, changes)?;
        }
        Ok(())
    }

    pub(super) fn seen(&self, path: &str, changes: &Changes) -> Result<Option<Record>> {
        match changes.get(path) {
            Some(changed) => Ok(changed.clone()),
            None => self.read(path),
        }
    }

    /// The entry, unless it was held by a client that is gone.
    fn read(&self, path: &str) -> Result<Option<Record>> {
        let Some(record) = self.read_file(path)? else {
            return Ok(None);
        };
        let alive = match &record.session {
            None => true,
            Some(_) if self.owner(&record) == Owner::ThisClient => true,
            Some(session) => holder::is_alive(&self.sessions(), session)
                .map_err(|error| self.failed(&self.sessions(), &error))?,
        };
        Ok(alive.then_some(record))
    }

    fn read_file(&self, path: &str) -> Result<Option<Record>> {
        let file = self.directory_of(path).join(".entry");
        match std::fs::read(&file) {
            Ok(bytes) => match Record::decode(&bytes) {
                Ok(record) => Ok(Some(record)),
                Err(reason) => Err(Error::Damaged {
                    path: path.to_owned(),
                    reason,
                }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(&file, &error)),
        }
    }

    pub(super) fn list(&self, path: &str) -> Result<Vec<String>> {
        let directory = self.directory_of(path);
        let names = match subdirectories(&directory) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed(&directory, &error)),
        };
        let mut children = Vec::new();
        for part in names.iter().filter_map(|name| decode_part(name)) {
            let child = format!("{path}/{part}");
            // One that cannot be read is there nevertheless.
            if !matches!(self.read(&child), Ok(None)) {
                children.push(part);
            }
        }
        children.sort();
        Ok(children)
    }

    fn owner(&self, record: &Record) -> Owner {
        match &record.session {
            None => Owner::Persistent,
            Some(session) => match &*self.holder.read() {
                Some(holder) if holder.id() == session => Owner::ThisClient,
                _ => Owner::OtherClient,
            },
        }
    }

    pub(super) fn directory_of(&self, path: &str) -> PathBuf {
        let parts = path.split('/').filter(|part| !part.is_empty());
        parts.fold(self.root.clone(), |directory, part| {
            directory.join(encode_part(part))
        })
    }

    pub(super) fn failed(&self, path: &Path, error: &io::Error) -> Error {
        Error::Unavailable {
            reason: format!("{}: {error}", path.display()),
        }
    }
}
