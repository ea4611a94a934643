//! The floors of a crate: which room may import from which.
//!
//! A room is a folder or file right below `src/`. `floors.toml` beside `src/` lists the rooms from the ground up. A room
//! imports only from rooms of lower floors. [`Crate::read`] finds the imports in the text of the sources, so that what
//! macros hide from a parser counts too.
#![forbid(unsafe_code)]

mod code_map;
mod imports;
mod unsafe_lines;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub use imports::{imports, Import};
pub use unsafe_lines::{unsafe_lines, UnsafeLines};

/// So many files of its own a folder may have.
pub const MOST_FILES: usize = 15;

/// `floors.toml`.
#[derive(Debug, serde::Deserialize)]
struct Floors {
    floors: Vec<Vec<String>>,
}

/// A crate's rooms, floors and imports.
#[derive(Debug)]
pub struct Crate {
    floor_of: BTreeMap<String, usize>,
    floors: usize,
    /// Each import from one room of another: the file, the room it belongs to, and the room that it names.
    imports: Vec<(PathBuf, String, String)>,
    lines: BTreeMap<String, usize>,
    files: BTreeMap<PathBuf, usize>,
    /// Paths with `super::` that leave their room.
    escapes: Vec<PathBuf>,
}

impl Crate {
    /// Reads `floors.toml` and all sources of the crate in `root`.
    ///
    /// # Errors
    /// A text that says which file cannot be read or which room stands on two floors.
    pub fn read(root: &Path) -> Result<Crate, String> {
        let text = read(&root.join("floors.toml"))?;
        let table: Floors = toml::from_str(&text).map_err(|error| error.to_string())?;
        let mut floor_of = BTreeMap::new();
        for (number, floor) in table.floors.iter().enumerate() {
            for room in floor {
                if floor_of.insert(room.clone(), number).is_some() {
                    return Err(format!("room \"{room}\" stands on two floors"));
                }
            }
        }
        let mut found = Crate {
            floor_of,
            floors: table.floors.len(),
            imports: Vec::new(),
            lines: BTreeMap::new(),
            files: BTreeMap::new(),
            escapes: Vec::new(),
        };
        found.visit(&root.join("src"), &root.join("src"))?;
        Ok(found)
    }

    fn visit(&mut self, folder: &Path, src: &Path) -> Result<(), String> {
        let entries = std::fs::read_dir(folder).map_err(|error| format!("{folder:?}: {error}"))?;
        for entry in entries {
            let path = entry.map_err(|error| error.to_string())?.path();
            if path.is_dir() {
                self.visit(&path, src)?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = folder
                    .strip_prefix(src.parent().unwrap_or(src))
                    .unwrap_or(folder);
                *self.files.entry(inside.to_owned()).or_default() += 1;
                self.file(&path, src)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, src: &Path) -> Result<(), String> {
        let inside = path.strip_prefix(src).map_err(|error| error.to_string())?;
        let parts: Vec<String> = inside
            .with_extension("")
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        let room = parts[0].clone();
        // The roofs of the library and of the programs.
        if room == "lib" || room == "main" || room == "bin" {
            return Ok(());
        }
        let text = read(path)?;
        *self.lines.entry(room.clone()).or_default() += text.lines().count();
        // How many `super::` still stay in the room: a file's own module does not count in mod.rs.
        let depth = parts.len()
            - 1
            - usize::from(parts.len() > 1 && parts.last().is_some_and(|name| name == "mod"));
        for import in imports(&text) {
            match import {
                Import::Room(to) if to != room => {
                    self.imports.push((inside.to_owned(), room.clone(), to));
                }
                Import::Room(_) => {}
                Import::Above(levels) if levels > depth => self.escapes.push(inside.to_owned()),
                Import::Above(_) => {}
            }
        }
        Ok(())
    }

    /// Everything that breaks the rule, one sentence each.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = BTreeSet::new();
        for room in self.lines.keys() {
            if !self.floor_of.contains_key(room) {
                faults.insert(format!("room \"{room}\" stands on no floor"));
            }
        }
        for room in self
            .floor_of
            .keys()
            .filter(|room| !self.lines.contains_key(*room))
        {
            faults.insert(format!(
                "floors.toml names room \"{room}\", which does not exist"
            ));
        }
        for (file, from, to) in &self.imports {
            // Names of items at the root (macros) are no rooms.
            let (Some(own), Some(other)) = (self.floor_of.get(from), self.floor_of.get(to)) else {
                continue;
            };
            if other >= own {
                let how = if other == own { "beside" } else { "above" };
                faults.insert(format!(
                    "{} imports from \"{to}\", which is {how} \"{from}\"",
                    file.display()
                ));
            }
        }
        for file in &self.escapes {
            faults.insert(format!("{} leaves its room by super::", file.display()));
        }
        for (folder, count) in self.files.iter().filter(|(_, count)| **count > MOST_FILES) {
            faults.insert(format!("{} has {count} files of its own", folder.display()));
        }
        faults.into_iter().collect()
    }

    /// Rooms and floors in one sentence.
    pub fn rooms(&self) -> String {
        format!("{} rooms on {} floors", self.lines.len(), self.floors)
    }

    /// Rooms, floors, lines and imports in one sentence.
    pub fn figure(&self) -> String {
        format!(
            "{}, {} lines, {} imports between rooms",
            self.rooms(),
            self.lines.values().sum::<usize>(),
            self.imports.len()
        )
    }
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
