//! A directory of configuration files that is replaced as a whole from outside.
//!
//! Kubernetes mounts a ConfigMap as a directory in which every file is a link through `..data`, a
//! link to a directory of the current generation; an update makes a new directory and swaps
//! that link. [`Mounted::read`] resolves it once and reads all files of that one generation. A
//! directory without `..data` is read as it is.
//!
//! Changes are found by looking at what a look costs nothing: where the link leads, and number, time and
//! size of the files. That works on every file system, network ones included, where inotify does not.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::file::read_limited;

/// The link that is swapped.
const GENERATION: &str = "..data";
const MAX_FILES: usize = 64;
/// How often a directory that changes under the reader is read again.
const TRIES: usize = 5;

/// Why a mounted directory could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MountError {
    #[error("\"{path}\": {reason}")]
    Io { path: String, reason: String },
    #[error("\"{path}\" has more than {MAX_FILES} files")]
    TooManyFiles { path: String },
    #[error("\"{path}\" changes all the time")]
    Restless { path: String },
}

/// The files of one generation by name.
pub type Snapshot = BTreeMap<String, Vec<u8>>;

/// A directory, and what it looked like at the last look.
#[derive(Debug)]
pub struct Mounted {
    path: PathBuf,
    seen: Option<Vec<Trace>>,
}

/// What changes when a file does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trace {
    path: PathBuf,
    inode: u64,
    bytes: u64,
    changed_at: (i64, i64),
}

impl Mounted {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            seen: None,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files, if anything has changed since the last call, or their reading has failed.
    ///
    /// # Errors
    /// [`MountError`], once for each state of the directory that cannot be read.
    pub fn changed(&mut self) -> Result<Option<Snapshot>, MountError> {
        let now = self
            .generation()
            .and_then(|files| trace(&files))
            .unwrap_or_default();
        if self.seen.as_ref() == Some(&now) {
            return Ok(None);
        }
        self.seen = Some(now);
        self.read().map(Some)
    }

    /// All files of the current generation.
    ///
    /// # Errors
    /// [`MountError`]
    pub fn read(&self) -> Result<Snapshot, MountError> {
        let failed = |error: io::Error| MountError::Io {
            path: self.path.display().to_string(),
            reason: error.to_string(),
        };
        for _ in 0..TRIES {
            let files = self.generation().map_err(failed)?;
            if files.len() > MAX_FILES {
                return Err(MountError::TooManyFiles {
                    path: self.path.display().to_string(),
                });
            }
            let before = trace(&files);
            let read = files
                .iter()
                .map(|file| Ok((name(file), read_limited(file)?)));
            let read: io::Result<Snapshot> = read.collect();
            let after = self.generation().and_then(|files| trace(&files));
            match (before, after) {
                // A generation that has gone while it was read shows up here as well.
                (Ok(before), Ok(after)) if before == after => return read.map_err(failed),
                _ => {}
            }
        }
        Err(MountError::Restless {
            path: self.path.display().to_string(),
        })
    }

    /// The regular files of the current generation, in the order of their names.
    fn generation(&self) -> io::Result<Vec<PathBuf>> {
        let directory = match self.path.join(GENERATION).canonicalize() {
            Ok(directory) => directory,
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.path.canonicalize()?,
            Err(error) => return Err(error),
        };
        let mut files = Vec::new();
        for file in std::fs::read_dir(directory)? {
            let path = file?.path();
            let hidden = name(&path).starts_with('.');
            if !hidden && path.metadata().is_ok_and(|metadata| metadata.is_file()) {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }
}

fn trace(files: &[PathBuf]) -> io::Result<Vec<Trace>> {
    let trace = |path: &PathBuf| {
        let metadata = path.metadata()?;
        Ok(Trace {
            path: path.clone(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            changed_at: (metadata.ctime(), metadata.ctime_nsec()),
        })
    };
    files.iter().map(trace).collect()
}

fn name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn generation(directory: &Path, number: u32, files: &[(&str, &str)]) {
        let own = directory.join(format!("..{number}"));
        std::fs::create_dir(&own).unwrap();
        for (name, content) in files {
            std::fs::write(own.join(name), content).unwrap();
            let link = directory.join(name);
            if !link.exists() {
                symlink(Path::new(GENERATION).join(name), link).unwrap();
            }
        }
        let draft = directory.join("..data_tmp");
        symlink(format!("..{number}"), &draft).unwrap();
        std::fs::rename(draft, directory.join(GENERATION)).unwrap();
    }

    #[test]
    fn a_swapped_generation_is_read_as_a_whole() {
        let directory = tempfile::tempdir().unwrap();
        generation(directory.path(), 1, &[("a", "1"), ("b", "1")]);
        let mut mounted = Mounted::new(directory.path());
        let files = mounted.changed().unwrap().unwrap();
        assert_eq!(
            files,
            [
                ("a".to_owned(), b"1".to_vec()),
                ("b".to_owned(), b"1".to_vec())
            ]
            .into()
        );
        assert_eq!(mounted.changed(), Ok(None));
        generation(directory.path(), 2, &[("a", "2")]);
        std::fs::remove_dir_all(directory.path().join("..1")).unwrap();
        assert_eq!(
            mounted.changed().unwrap().unwrap(),
            [("a".to_owned(), b"2".to_vec())].into()
        );
        assert_eq!(mounted.changed(), Ok(None));
    }

    #[test]
    fn a_plain_directory_works_too() {
        let directory = tempfile::tempdir().unwrap();
        let mut mounted = Mounted::new(directory.path());
        assert_eq!(mounted.changed(), Ok(Some(Snapshot::new())));
        std::fs::write(directory.path().join("a"), "1").unwrap();
        assert_eq!(mounted.changed().unwrap().unwrap().len(), 1);
        std::fs::write(directory.path().join("a"), "22").unwrap();
        assert_eq!(mounted.changed().unwrap().unwrap()["a"], b"22");
        std::fs::remove_file(directory.path().join("a")).unwrap();
        assert_eq!(mounted.changed(), Ok(Some(Snapshot::new())));
    }

    #[test]
    fn what_cannot_be_read_is_said_once() {
        let directory = tempfile::tempdir().unwrap();
        let mut mounted = Mounted::new(directory.path().join("none"));
        assert!(matches!(mounted.changed(), Err(MountError::Io { .. })));
        assert_eq!(mounted.changed(), Ok(None));
        std::fs::create_dir(directory.path().join("none")).unwrap();
        let many = directory.path().join("none");
        for number in 0..=MAX_FILES {
            std::fs::write(many.join(number.to_string()), "").unwrap();
        }
        assert!(matches!(
            mounted.changed(),
            Err(MountError::TooManyFiles { .. })
        ));
    }

    #[test]
    fn huge_and_odd_files_are_refused_without_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let path = std::ffi::CString::new(directory.path().join("fifo").to_str().unwrap()).unwrap();
        assert!(std::process::Command::new("mkfifo")
            .arg(path.to_str().unwrap())
            .status()
            .unwrap()
            .success());
        let mut mounted = Mounted::new(directory.path());
        assert_eq!(mounted.changed(), Ok(Some(Snapshot::new())));
        let huge = std::fs::File::create(directory.path().join("huge")).unwrap();
        huge.set_len(1 << 40).unwrap();
        assert!(matches!(mounted.changed(), Err(MountError::Io { .. })));
    }
}
