//! `expanse.check_storage`: every reason why this node cannot have a storage, with nothing changed.

use crate::error::Error;
use crate::metadata::cache::metadata;
use crate::pg::spi;
use crate::storage::directory;
use expanse_core::storage;
use std::ffi::{CString, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

crate::sql_function! {
    /// `expanse.check_storage(storage_name text, directory text, node_name text)
    /// -> setof (location text, place text, present boolean)`: where the directory is on this node, the same place for
    /// two nodes exactly if they would share it, and whether the tablespace is there already.
    fn check_storage(args) {
        let name = args.required::<String>(0, "storage_name");
        let directory = args.required::<String>(1, "directory");
        let node = args.required::<String>(2, "node_name");
        let directory = checked(&name, &directory);
        let location = storage::location(&directory, &node);
        let present = present(&name, &location, &node);
        let candidate = Candidate { location: Path::new(&location), node: &node };
        if !present {
            candidate.check();
        }
        let place = candidate.place();
        args.set(&[vec![Some(location.clone()), Some(place), Some(present.to_string())]])
    }
}

/// The directory as it is recorded; refused (raised) when it or the name cannot be a storage's anywhere.
pub fn checked(name: &str, directory: &str) -> String {
    let refuse = |parameter: &'static str, reason: &str| -> ! {
        Error::InvalidParameter {
            parameter,
            reason: reason.into(),
        }
        .raise()
    };
    if let Err(reason) = storage::check_name(name) {
        refuse("name", reason);
    }
    storage::check_directory(directory).unwrap_or_else(|reason| refuse("directory", reason))
}

/// The name of this node, for messages.
pub fn this_node() -> String {
    metadata()
        .and_then(|known| {
            known
                .nodes
                .get(&known.local_node)
                .map(|node| node.name.clone())
        })
        .unwrap_or_else(|| "of this server".into())
}

/// Is the tablespace there already, at this very place? Refused when the name or the place is taken otherwise.
fn present(name: &str, location: &str, node: &str) -> bool {
    let rows = spi::query(&format!(
        "SELECT spcname, pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = {} \
         OR pg_tablespace_location(oid) = {}",
        spi::literal(name),
        spi::literal(location)
    ));
    let mut present = false;
    for row in rows {
        let text = |n: usize| row.get(n).cloned().flatten().unwrap_or_default();
        match (text(0) == name, text(1) == location) {
            (true, true) => present = true,
            (true, false) => Error::StorageExists {
                storage: name.into(),
                place: format!(" as a tablespace in \"{}\" on node \"{node}\"", text(1)),
            }
            .raise(),
            _ => Error::BadDirectory {
                directory: location.into(),
                node: node.into(),
                reason: format!("it is in use by tablespace \"{}\"", text(0)),
                hint: "Give a directory of its own.".into(),
            }
            .raise(),
        }
    }
    present
}

/// A directory that is to hold a tablespace of this server.
struct Candidate<'a> {
    location: &'a Path,
    node: &'a str,
}

impl Candidate<'_> {
    fn refuse(&self, reason: impl Into<String>, hint: impl Into<String>) -> ! {
        Error::BadDirectory {
            directory: self.location.display().to_string(),
            node: self.node.into(),
            reason: reason.into(),
            hint: hint.into(),
        }
        .raise()
    }

    fn check(&self) {
        let hint = "Give another directory, or let the server's user have this one.";
        self.check_inside();
        match fs::metadata(self.location) {
            Err(_) if self.location.is_symlink() => self.refuse("it is a dangling link", hint),
            Err(_) => self.check_parent(),
            Ok(found) if !found.is_dir() => self.refuse("it is not a directory", hint),
            // SAFETY: asks for this process's user.
            Ok(found) if found.uid() != unsafe { libc::geteuid() } => {
                self.refuse("it does not belong to the server's user", hint)
            }
            Ok(_) => self.check_content(),
        }
    }

    fn check_content(&self) {
        let versions = directory::versions(self.location);
        let versions = versions.unwrap_or_else(|error| {
            self.refuse(error.to_string(), "Let the server's user have it.")
        });
        // An empty one that was made here is left of an attempt that the server did not survive.
        let half_made = directory::made_here(self.location);
        if versions
            .iter()
            .any(|version| !half_made || directory::is_occupied(version))
        {
            self.refuse(
                "directory in use by a tablespace of another server",
                format!(
                    "Put {} into the directory where nodes share a file system: it stands for the node's name.",
                    storage::NODE
                ),
            );
        }
    }

    fn check_parent(&self) {
        let hint = "Make the directory for the server's user, or its parent so that this user can.";
        let parent = self.location.parent().unwrap_or(Path::new("/"));
        if !parent.is_dir() {
            self.refuse(
                format!("directory \"{}\" does not exist", parent.display()),
                hint,
            );
        }
        let path = CString::new(parent.as_os_str().as_bytes()).expect("text has no NUL byte");
        // SAFETY: a NUL-terminated path; asks by the effective user, whom the file system asks about.
        let writable = unsafe {
            libc::faccessat(
                libc::AT_FDCWD,
                path.as_ptr(),
                libc::W_OK | libc::X_OK,
                libc::AT_EACCESS,
            ) == 0
        };
        if !writable {
            self.refuse(
                format!("the server's user cannot write in \"{}\"", parent.display()),
                hint,
            );
        }
    }

    /// A tablespace inside the data directory would be in every base backup twice.
    fn check_inside(&self) {
        let data = PathBuf::from(OsString::from_vec(directory::data_directory()));
        let data = fs::canonicalize(&data).unwrap_or(data);
        let (ancestor, _) = self.split();
        let ancestor = fs::canonicalize(&ancestor).unwrap_or(ancestor);
        if ancestor.starts_with(&data) {
            self.refuse(
                "it is inside the data directory",
                "Give a directory outside of it.",
            );
        }
    }

    /// The nearest part of the path that exists, and the rest.
    fn split(&self) -> (PathBuf, PathBuf) {
        let exists = |path: &&Path| path.exists();
        let ancestor = self
            .location
            .ancestors()
            .find(exists)
            .unwrap_or(Path::new("/"));
        let rest = self
            .location
            .strip_prefix(ancestor)
            .unwrap_or(Path::new(""));
        (ancestor.to_owned(), rest.to_owned())
    }

    /// The running system, the file on it that is the nearest existing directory, and the rest of the path: links,
    /// mounts and addresses do not hide that two nodes mean the same.
    fn place(&self) -> String {
        let system = fs::read_to_string("/proc/sys/kernel/random/boot_id");
        let (ancestor, rest) = self.split();
        let (device, file) = fs::metadata(&ancestor).map_or((0, 0), |m| (m.dev(), m.ino()));
        format!(
            "{} {device} {file} {}",
            system.unwrap_or_default().trim(),
            rest.display()
        )
    }
}
