//! A storage's directory on this node: made and removed by the server, as its own user.
//!
//! Only superusers may ask for it. A directory that was made here holds the file [`MARK`], which says by which server; one
//! that was there before does not, and stays when the storage goes.

use crate::error::{Error, Raised};
use pgrx::pg_sys;
use std::ffi::CStr;
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// In a directory that was made here: the data directory of the server that made it.
pub const MARK: &str = ".made_by_expanse";

crate::sql_function! {
    /// `expanse.make_storage_directory(location text) -> boolean`: whether it was made now; its parent must exist.
    fn make_storage_directory(args) {
        superusers_only("make_storage_directory");
        let location = args.required::<String>(0, "location");
        Some(make(Path::new(&location)).unwrap_or_else(|error| refuse(&location, &error)))
    }
}

crate::sql_function! {
    /// `expanse.remove_storage_directory(location text) -> boolean`: whether it was removed, which only happens to one that
    /// this server has made and that is empty.
    fn remove_storage_directory(args) {
        superusers_only("remove_storage_directory");
        let location = args.required::<String>(0, "location");
        Some(remove(Path::new(&location)).unwrap_or_else(|error| refuse(&location, &error)))
    }
}

fn superusers_only(function: &str) {
    // SAFETY: a lookup about the current user.
    if !unsafe { pg_sys::superuser() } {
        Raised {
            sqlstate: "42501".into(),
            message: format!("must be superuser to call expanse.{function}()"),
            ..Raised::default()
        }
        .raise();
    }
}

fn refuse(location: &str, error: &std::io::Error) -> ! {
    Error::BadDirectory {
        directory: location.into(),
        node: crate::storage::check::this_node(),
        reason: error.to_string(),
        hint: "Let the server's user write in its parent directory, or make it for that user."
            .into(),
    }
    .raise()
}

fn make(location: &Path) -> std::io::Result<bool> {
    match DirBuilder::new().mode(0o700).create(location) {
        Ok(()) => fs::write(location.join(MARK), data_directory()).map(|()| true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && location.is_dir() => {
            if made_here(location) {
                remove_half_made(location)?;
            }
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// A CREATE TABLESPACE that the server did not survive leaves an empty directory of its version, which the next one
/// takes for a tablespace in use. The caller has seen that this server has no tablespace here.
fn remove_half_made(location: &Path) -> std::io::Result<()> {
    for version in versions(location)? {
        match fs::remove_dir(&version) {
            Err(error) if error.kind() != ErrorKind::NotFound && !is_occupied(&version) => {
                return Err(error)
            }
            _ => {}
        }
    }
    Ok(())
}

fn remove(location: &Path) -> std::io::Result<bool> {
    if !made_here(location) || !versions(location)?.is_empty() {
        return Ok(false);
    }
    let others = fs::read_dir(location)?.filter_map(Result::ok);
    if others.filter(|entry| entry.file_name() != MARK).count() > 0 {
        return Ok(false);
    }
    fs::remove_file(location.join(MARK))?;
    fs::remove_dir(location).map(|()| true)
}

/// Was it made by this very server?
pub fn made_here(location: &Path) -> bool {
    fs::read(location.join(MARK)).is_ok_and(|mark| mark == data_directory())
}

/// Directories that servers of this major version keep a tablespace in.
pub fn versions(location: &Path) -> std::io::Result<Vec<PathBuf>> {
    let prefix = format!("PG_{}_", pg_sys::PG_MAJORVERSION.to_string_lossy());
    let mut found = Vec::new();
    for entry in fs::read_dir(location)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Does it hold anything, as far as can be seen?
pub fn is_occupied(directory: &Path) -> bool {
    fs::read_dir(directory).map_or(true, |mut entries| entries.next().is_some())
}

/// The server's data directory, as bytes of a path.
pub fn data_directory() -> Vec<u8> {
    // SAFETY: DataDir is a NUL-terminated path from startup on.
    unsafe { CStr::from_ptr(pg_sys::DataDir) }
        .to_bytes()
        .to_vec()
}
