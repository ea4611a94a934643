//! How the store's files are changed: under its lock, several through the journal.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::record::Record;
use super::store::{Changes, Store};
use crate::coordination::{Error, Result};
use crate::sys::{try_lock, LockKind};

impl Store {
    pub(super) fn lock(&self, deadline: Instant) -> Result<File> {
        let path = self.root().join(".lock");
        let file = open_own(&path).map_err(|error| self.failed(&path, &error))?;
        let mut pause = Duration::from_micros(100);
        while !try_lock(&file, LockKind::Exclusive).map_err(|error| self.failed(&path, &error))? {
            if Instant::now() + pause >= deadline {
                return Err(Error::DeadlineExceeded {
                    call: "lock of the directory".to_owned(),
                });
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "the directory is read and written by threads of their own"
            )]
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(4));
        }
        self.replay_journal()?;
        Ok(file)
    }

    /// Lets a change of several entries that has begun come to its end before anything is read.
    pub(super) fn finish_journal(&self, deadline: Instant) -> Result<()> {
        if self.journal().exists() {
            drop(self.lock(deadline)?);
        }
        Ok(())
    }

    fn journal(&self) -> PathBuf {
        self.root().join(".journal")
    }

    pub(super) fn write(&self, changes: &Changes) -> Result<()> {
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
        write().map_err(|error| self.failed(self.root(), &error))?;
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
            .map_err(|error| self.failed(self.root(), &error))?;
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
            .root()
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

    pub(super) fn touch_revision(&self) -> Result<()> {
        let touch = || open_own(&self.revision())?.write_all(b".").map(drop);
        touch().map_err(|error| self.failed(&self.revision(), &error))
    }
}

/// Opens one of the store's own files from its beginning, making it if it is not there.
pub(super) fn open_own(path: &Path) -> io::Result<File> {
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

pub(super) fn subdirectories(directory: &Path) -> io::Result<Vec<String>> {
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
