//! As whom servers and sidecars run: `postgres` when root asks, else the caller.

use std::os::unix::fs::{chown, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::BoxError;

/// The user that owns the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Set when the programs are to run as another user.
    switch: Option<(u32, u32)>,
}

impl Owner {
    /// The caller, or `postgres` if the caller is root.
    ///
    /// # Errors
    /// [`BoxError::NoUser`].
    pub fn find() -> Result<Owner, BoxError> {
        let uid = std::fs::metadata("/proc/self")
            .map_err(BoxError::io("/proc/self"))?
            .uid();
        if uid != 0 {
            return Ok(Owner { switch: None });
        }
        let users = std::fs::read_to_string("/etc/passwd").map_err(BoxError::io("/etc/passwd"))?;
        let ids = users.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let ids = (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
            (fields[0] == "postgres").then_some(ids)
        });
        match ids {
            Some(ids) => Ok(Owner { switch: Some(ids) }),
            None => Err(BoxError::NoUser),
        }
    }

    /// A program that runs as the owner, with nothing of the caller's terminal.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").env("LC_ALL", "C.UTF-8");
        // Frames of the library's own are of no use to a reader of the server's log.
        command.env("RUST_BACKTRACE", "0");
        if let Some((uid, gid)) = self.switch {
            command.uid(uid).gid(gid).env("HOME", "/");
        }
        command
    }

    /// Makes a directory that belongs to the owner.
    ///
    /// # Errors
    /// [`BoxError::Io`].
    pub fn make_dir(&self, path: &Path) -> Result<(), BoxError> {
        std::fs::create_dir_all(path).map_err(BoxError::io(path))?;
        self.take(path)
    }

    /// Gives a file or directory to the owner.
    ///
    /// # Errors
    /// [`BoxError::Io`].
    pub fn take(&self, path: &Path) -> Result<(), BoxError> {
        match self.switch {
            Some((uid, gid)) => chown(path, Some(uid), Some(gid)).map_err(BoxError::io(path)),
            None => Ok(()),
        }
    }
}

/// Runs a program to its end: what it wrote to standard output.
///
/// # Errors
/// [`BoxError::Program`] with all it wrote.
pub fn run(mut command: Command) -> Result<String, BoxError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(std::process::Stdio::null()).output();
    let output = output.map_err(BoxError::io(&program))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let said = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    Err(BoxError::Program {
        program,
        output: said.trim().to_owned(),
    })
}
