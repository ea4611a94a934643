//! At which journal write who dies. See `fault.rs` of the sidecar's operations for the file that tells it.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::kit::{Failure, Outcome};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

impl fmt::Display for Side {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Before => "before",
            Self::After => "after",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// The sidecar that runs the operation.
    Sidecar,
    /// The server of that node; the sidecar waits meanwhile.
    Server(u16),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub side: Side,
    /// The number of the journal write, from 1.
    pub point: u16,
    pub victim: Victim,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} write {}, victim ", self.side, self.point)?;
        match self.victim {
            Victim::Sidecar => formatter.write_str("sidecar"),
            Victim::Server(number) => write!(formatter, "{number}"),
        }
    }
}

/// The file that all sidecars look at.
pub struct FaultFile(PathBuf);

impl FaultFile {
    /// # Errors
    /// [`Failure::Io`].
    pub fn new(path: PathBuf) -> Outcome<Self> {
        let directory = path.parent().unwrap_or(&path);
        fs::create_dir_all(directory).map_err(Failure::io("making the fault's directory"))?;
        // Sidecars, which belong to another user, remove the file.
        open_to_all(directory, 0o777)?;
        Ok(Self(path))
    }

    /// Arms the fault for the next operation of that kind.
    ///
    /// # Errors
    /// [`Failure::Io`].
    pub fn arm(&self, kind: &str, fault: Fault) -> Outcome {
        self.disarm();
        let Fault {
            side,
            point,
            victim,
        } = fault;
        let action = match victim {
            Victim::Sidecar => "kill",
            Victim::Server(_) => "wait",
        };
        let line = format!("{kind} {side} {point} {action}\n");
        fs::write(&self.0, line).map_err(Failure::io("writing the fault"))?;
        open_to_all(&self.0, 0o666)
    }

    /// Has the point been reached?
    pub fn reached(&self) -> bool {
        !self.0.exists()
    }

    /// Lets the sidecar that waits at the point go on.
    ///
    /// # Errors
    /// [`Failure::Io`].
    pub fn go_on(&self) -> Outcome {
        fs::write(self.go(), "").map_err(Failure::io("ending the wait"))
    }

    fn go(&self) -> PathBuf {
        let mut name = self.0.as_os_str().to_owned();
        name.push(".go");
        name.into()
    }

    pub fn disarm(&self) {
        // They may not be there.
        let _ = fs::remove_file(&self.0);
        let _ = fs::remove_file(self.go());
    }
}

fn open_to_all(path: &Path, mode: u32) -> Outcome {
    let permissions = fs::Permissions::from_mode(mode);
    fs::set_permissions(path, permissions).map_err(Failure::io("opening the fault to all"))
}
