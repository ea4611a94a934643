//! The local configuration file: what this node knows when the store does not answer.
//!
//! It is JSON for people to read, with a checksum that tells a damaged or edited file from a
//! whole one:
//!
//! ```json
//! {
//!   "crc32": "9ae0daaf",
//!   "topology": { "cluster_id": "...", "nodes": [ ... ], "version": 4 }
//! }
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use expanse_core::wire::Topology;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// No topology comes near it; a file that is larger is not one.
pub(super) const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Why the local file could not be read or written.
#[derive(Debug, Error)]
pub enum FileError {
    #[error("\"{}\" is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("\"{}\": {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// The file at its place.
#[derive(Debug, Clone)]
pub struct LocalFile {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Content {
    crc32: String,
    topology: serde_json::Value,
}

impl LocalFile {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is in the file, `None` if there is none.
    ///
    /// # Errors
    /// [`FileError::Damaged`] also where the checksum is wrong.
    pub fn read(&self) -> Result<Option<Topology>, FileError> {
        match read_limited(&self.path) {
            Ok(bytes) => match decode(&bytes) {
                Ok(topology) => Ok(Some(topology)),
                Err(reason) => Err(FileError::Damaged {
                    path: self.path.clone(),
                    reason,
                }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Replaces the file. A reader finds the old one or the new one, also after a crash.
    ///
    /// # Errors
    /// [`FileError::Io`]; the old file is still there then.
    pub fn write(&self, topology: &Topology) -> Result<(), FileError> {
        let draft = self
            .path
            .with_extension(format!("{}.tmp", std::process::id()));
        let replace = || {
            let bytes = encode(topology)?;
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o640)
                .open(&draft)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&draft, &self.path)?;
            match self.path.parent() {
                Some(directory) => File::open(directory)?.sync_all(),
                None => Ok(()),
            }
        };
        replace().map_err(|error| {
            // The error that matters is the first one.
            let _ = std::fs::remove_file(&draft);
            self.failed(error)
        })
    }

    fn failed(&self, source: io::Error) -> FileError {
        FileError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

fn encode(topology: &Topology) -> io::Result<Vec<u8>> {
    let topology = serde_json::to_value(topology)?;
    let content = Content {
        crc32: checksum(&topology)?,
        topology,
    };
    let mut bytes = serde_json::to_vec_pretty(&content)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Result<Topology, String> {
    let content: Content = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let found = checksum(&content.topology).map_err(|error| error.to_string())?;
    if found != content.crc32 {
        return Err(format!(
            "its checksum is {found}, it says {}",
            content.crc32
        ));
    }
    serde_json::from_value(content.topology).map_err(|error| error.to_string())
}

/// Over the topology without white space, its fields in the order of their names.
fn checksum(topology: &serde_json::Value) -> io::Result<String> {
    Ok(format!(
        "{:08x}",
        crc32fast::hash(&serde_json::to_vec(topology)?)
    ))
}

/// The content of a regular file of reasonable size; anything else is an error, not a wait.
pub(super) fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a FIFO would wait for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is larger than 4 MiB",
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::check::tests::topology;

    #[test]
    fn what_is_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = LocalFile::new(directory.path().join("topology.json"));
        assert_eq!(file.read().unwrap(), None);
        for version in 1..4 {
            file.write(&topology(version, 3)).unwrap();
            assert_eq!(file.read().unwrap(), Some(topology(version, 3)));
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn any_flipped_bit_is_noticed_or_harmless() {
        let directory = tempfile::tempdir().unwrap();
        let file = LocalFile::new(directory.path().join("topology.json"));
        file.write(&topology(1, 1)).unwrap();
        let whole = std::fs::read(file.path()).unwrap();
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                std::fs::write(file.path(), &damaged).unwrap();
                match file.read() {
                    Ok(read) => assert_eq!(read, Some(topology(1, 1)), "byte {at} bit {bit}"),
                    Err(FileError::Damaged { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_stays_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let file = LocalFile::new(directory.path().join("none/topology.json"));
        assert!(matches!(
            file.write(&topology(1, 1)),
            Err(FileError::Io { .. })
        ));
        let occupied = LocalFile::new(directory.path().join("occupied"));
        std::fs::create_dir(occupied.path()).unwrap();
        std::fs::write(occupied.path().join("x"), "").unwrap();
        assert!(occupied.write(&topology(1, 1)).is_err());
        assert!(occupied.read().is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
