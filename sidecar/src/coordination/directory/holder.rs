//! Sessions of the directory store: a file each in `.sessions`, locked by the client that it is.
//!
//! The file is locked before it gets its final name, so a session file that can be seen and is
//! not locked belongs to a client that is gone.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::sys::{try_lock, LockKind};

/// The session of this client. Dropping it, or the death of the process, ends the session.
#[derive(Debug)]
pub struct Holder {
    id: String,
    path: PathBuf,
    /// Open for writing, so that closing it is an event that inotify tells.
    _locked: File,
}

impl Holder {
    /// Begins a session in the directory of sessions.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn begin(sessions: &Path, identity: &str) -> io::Result<Self> {
        let id = format!("{}-{:016x}", std::process::id(), rand::random::<u64>());
        let draft = sessions.join(format!(".{id}"));
        let path = sessions.join(&id);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&draft)?;
        if !try_lock(&file, LockKind::Exclusive)? {
            return Err(io::Error::other("the file of a new session is locked"));
        }
        writeln!(file, "{identity}")?;
        std::fs::rename(&draft, &path)?;
        Ok(Self {
            id,
            path,
            _locked: file,
        })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether the session's file is still there.
    pub fn stands(&self) -> bool {
        self.path.exists()
    }
}

/// Whether the client with this session still holds it.
///
/// # Errors
/// Those of the file system. Unknown is not dead: the caller must not take it for that.
pub fn is_alive(sessions: &Path, id: &str) -> io::Result<bool> {
    // What is read from an entry must not lead to another file.
    if id.is_empty()
        || !id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return Ok(false);
    }
    match File::open(sessions.join(id)) {
        Ok(file) => Ok(!try_lock(&file, LockKind::Shared)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The sessions whose clients are gone.
///
/// # Errors
/// Those of the file system.
pub fn dead(sessions: &Path) -> io::Result<Vec<String>> {
    let mut dead = Vec::new();
    for file in std::fs::read_dir(sessions)? {
        let name = file?.file_name();
        let Some(id) = name.to_str().filter(|id| !id.starts_with('.')) else {
            continue;
        };
        if !is_alive(sessions, id)? {
            dead.push(id.to_owned());
        }
    }
    Ok(dead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lives_as_long_as_its_holder() {
        let sessions = tempfile::tempdir().unwrap();
        let holder = Holder::begin(sessions.path(), "n1").unwrap();
        let id = holder.id().to_owned();
        assert!(is_alive(sessions.path(), &id).unwrap());
        assert!(dead(sessions.path()).unwrap().is_empty());
        drop(holder);
        assert!(!is_alive(sessions.path(), &id).unwrap());
        assert_eq!(dead(sessions.path()).unwrap(), [id]);
    }

    #[test]
    fn a_hostile_session_name_leads_nowhere() {
        let sessions = tempfile::tempdir().unwrap();
        for id in ["", "..", "../x", "/etc/passwd", "a\0b"] {
            assert!(!is_alive(sessions.path(), id).unwrap(), "{id:?}");
        }
    }
}
