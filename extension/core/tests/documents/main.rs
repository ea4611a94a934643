//! What is made of sources is what they make: pages of `docs/` are compared with what they are generated from.
//!
//! `make docs` writes them anew.
#![allow(
    clippy::disallowed_methods,
    reason = "the crate decides over plain data, but its documents are files"
)]

mod errors;
mod reference;
mod sql;

use std::path::{Path, PathBuf};

/// A path of the repository.
fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The file has this text; with `UPDATE_DOCS` set it gets it.
fn is_up_to_date(path: &str, text: &str) {
    let file = at(path);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, text).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    let found = read(&file);
    if let Some((number, (old, new))) =
        (found.lines().zip(text.lines()).enumerate()).find(|(_, (old, new))| old != new)
    {
        panic!(
            "{path} is out of date at line {}: it has {old:?}, its sources make {new:?}; run make docs",
            number + 1
        );
    }
    assert!(
        found == text,
        "{path} is out of date at its end; run make docs"
    );
}

/// All files below a folder whose names end so, in order.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![at(folder)];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
