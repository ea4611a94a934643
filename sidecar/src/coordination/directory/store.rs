//! The tree of files behind the directory store. Everything here blocks.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::RwLock;

use super::holder::{self, Holder};
use super::record::{decode_part, encode_part, Record};
use crate::coordination::{path, Entry, Error, Op, Owner, Result, Version};
use crate::sys::{try_lock, LockKind};

#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    identity: String,
    holder: RwLock<Option<Holder>>,
}

/// What an operation list makes of the entries it touches; `None` is a deletion.
type Changes = BTreeMap<String, Option<Record>>;

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

    fn decide_parents(&self, path: &str, changes: &mut Changes) -> Result<()> {
        let Some(parent) = path::parent(path) else {
            return Ok(());
        };
        if self.seen(parent, changes)?.is_none() {
            self.decide_parents(parent, changes)?;
            let record = Record {
                version: Version::FIRST,
                session: None,
                data: Vec::new(),
            };
            changes.insert(parent.to_owned(), Some(record));
        }
        Ok(())
    }

    /// What `op` makes of the entries as they are after `changes`.
    fn decide(&self, op: &Op, session: &str, changes: &mut Changes) -> Result<()> {
        let path = op.path().to_owned();
        let found = self.seen(&path, changes)?;
        let after = match op {
            Op::Check { expected, .. } => {
                at(&path, found, *expected)?;
                return Ok(());
            }
            Op::Create { data, .. } => self.creation(&path, found, data, None, changes)?,
            Op::CreateEphemeral { data, .. } => {
                self.creation(&path, found, data, Some(session), changes)?
            }
            Op::Put { data, expected, .. } => {
                let found = at(&path, found, *expected)?;
                Some(Record {
                    version: expected.next(),
                    data: data.clone(),
                    ..found
                })
            }
            Op::Delete { expected, .. } => {
                at(&path, found, *expected)?;
                if self.has_children(&path, changes)? {
                    return Err(Error::NotEmpty { path });
                }
                None
            }
        };
        changes.insert(path, after);
        Ok(())
    }

    fn creation(
        &self,
        path: &str,
        found: Option<Record>,
        data: &[u8],
        session: Option<&str>,
        changes: &Changes,
    ) -> Result<Option<Record>> {
        if found.is_some() {
            return Err(Error::AlreadyExists {
                path: path.to_owned(),
            });
        }
        if let Some(parent) = path::parent(path) {
            match self.seen(parent, changes)? {
                None => {
                    return Err(Error::NotFound {
                        path: parent.to_owned(),
                    })
                }
                Some(Record {
                    session: Some(_), ..
                }) => {
                    return Err(Error::EphemeralParent {
                        path: path.to_owned(),
                    })
                }
                Some(_) => {}
            }
        }
        Ok(Some(Record {
            version: Version::FIRST,
            session: session.map(str::to_owned),
            data: data.to_vec(),
        }))
    }

    fn has_children(&self, path: &str, changes: &Changes) -> Result<bool> {
        let below = format!("{path}/");
        let made = changes
            .iter()
            .any(|(path, record)| path.starts_with(&below) && record.is_some());
        let kept = self
            .list(path)?
            .into_iter()
            .any(|name| !changes.contains_key(&format!("{below}{name}")));
        Ok(made || kept)
    }

    fn seen(&self, path: &str, changes: &Changes) -> Result<Option<Record>> {
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

    fn list(&self, path: &str) -> Result<Vec<String>> {
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

    fn directory_of(&self, path: &str) -> PathBuf {
        let parts = path.split('/').filter(|part| !part.is_empty());
        parts.fold(self.root.clone(), |directory, part| {
            directory.join(encode_part(part))
        })
    }

    fn lock(&self, deadline: Instant) -> Result<File> {
        let path = self.root.join(".lock");
        let file = open_own(&path).map_err(|error| self.failed(&path, &error))?;
        let mut pause = Duration::from_micros(100);
        while !try_lock(&file, LockKind::Exclusive).map_err(|error| self.failed(&path, &error))? {
            if Instant::now() + pause >= deadline {
                return Err(Error::DeadlineExceeded {
                    call: "lock of the directory".to_owned(),
                });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(4));
        }
        self.replay_journal()?;
        Ok(file)
    }

    /// Lets a change of several entries that has begun come to its end before anything is read.
    fn finish_journal(&self, deadline: Instant) -> Result<()> {
        if self.journal().exists() {
            drop(self.lock(deadline)?);
        }
        Ok(())
    }

    fn journal(&self) -> PathBuf {
        self.root.join(".journal")
    }

    fn write(&self, changes: &Changes) -> Result<()> {
        let write = || -> io::Result<()> {
            if changes.len() > 1 {
                let ordered: Vec<_> = changes
                    .iter()
                    .map(|(path, record)| (path, record.as_ref().map(Record::encode)))
                    .collect();
                let journal = serde_json::to_vec(&ordered).map_err(io::Error::other)?;
                self.replace_file(&self.journal(), &journal, true)?;
            }
            self.carry_out(changes)
        };
        write().map_err(|error| self.failed(&self.root, &error))?;
        if changes.is_empty() {
            Ok(())
        } else {
            self.touch_revision()
        }
    }

    /// Finishes what a client that died has left half done.
    fn replay_journal(&self) -> Result<()> {
        let damaged = |reason: String| Error::Damaged {
            path: "/.journal".to_owned(),
            reason,
        };
        let bytes = match std::fs::read(self.journal()) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.failed(&self.journal(), &error)),
        };
        let ordered: Vec<(String, Option<Vec<u8>>)> =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        let mut changes = Changes::new();
        for (path, record) in ordered {
            let record = record
                .map(|bytes| Record::decode(&bytes))
                .transpose()
                .map_err(damaged)?;
            changes.insert(path, record);
        }
        self.carry_out(&changes)
            .map_err(|error| self.failed(&self.root, &error))?;
        self.touch_revision()
    }

    /// Parents before children when they are made, after them when they go. Doing it twice is doing it once.
    fn carry_out(&self, changes: &Changes) -> io::Result<()> {
        for (path, record) in changes {
            let Some(record) = record else { continue };
            let directory = self.directory_of(path);
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&directory)?;
            // What dies with a process need not survive the machine.
            self.replace_file(
                &directory.join(".entry"),
                &record.encode(),
                record.session.is_none(),
            )?;
        }
        for (path, _) in changes.iter().rev().filter(|(_, record)| record.is_none()) {
            let directory = self.directory_of(path);
            remove_if_there(&directory.join(".entry"))?;
            // Not empty if a stranger has put something there: it is no entry any more all the same.
            let _ = std::fs::remove_dir(&directory);
        }
        remove_if_there(&self.journal())
    }

    fn replace_file(&self, path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
        let draft = self
            .root
            .join(".tmp")
            .join(format!("{:016x}", rand::random::<u64>()));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(bytes)?;
        if durable {
            file.sync_data()?;
        }
        std::fs::rename(&draft, path)?;
        match path.parent() {
            Some(directory) if durable => File::open(directory)?.sync_all(),
            _ => Ok(()),
        }
    }

    fn touch_revision(&self) -> Result<()> {
        let touch = || open_own(&self.revision())?.write_all(b".").map(drop);
        touch().map_err(|error| self.failed(&self.revision(), &error))
    }

    fn failed(&self, path: &Path, error: &io::Error) -> Error {
        Error::Unavailable {
            reason: format!("{}: {error}", path.display()),
        }
    }
}

/// The record, if it is there and at the version that is expected.
fn at(path: &str, found: Option<Record>, expected: Version) -> Result<Record> {
    match found {
        None => Err(Error::NotFound {
            path: path.to_owned(),
        }),
        Some(record) if record.version == expected => Ok(record),
        Some(_) => Err(Error::VersionMismatch {
            path: path.to_owned(),
            expected: expected.0,
        }),
    }
}

/// Opens one of the store's own files from its beginning, making it if it is not there.
fn open_own(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn subdirectories(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str() {
            if !name.starts_with('.') && entry.file_type()?.is_dir() {
                names.push(name.to_owned());
            }
        }
    }
    Ok(names)
}
