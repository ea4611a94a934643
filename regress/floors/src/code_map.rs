//! The code map: rooms and the folders inside of them, floor by floor, with the first sentence of each.

use crate::{read, Crate};
use std::fmt::Write;
use std::path::Path;

impl Crate {
    /// A table for `docs/architecture/code-map.md`, from the roof down.
    ///
    /// # Errors
    /// A text that names what cannot be read.
    pub fn code_map(&self, root: &Path) -> Result<String, String> {
        let mut text = String::from("| floor | room | what it is about |\n| --- | --- | --- |\n");
        for floor in (0..self.floors).rev() {
            let rooms = self.floor_of.iter().filter(|(_, on)| **on == floor);
            for (room, _) in rooms {
                let folder = root.join("src").join(room);
                let about = if folder.is_dir() {
                    first_sentence(&folder.join("mod.rs"))?
                } else {
                    first_sentence(&folder.with_extension("rs"))?
                };
                writeln!(text, "| {floor} | **{room}** | {about} |").map_err(|e| e.to_string())?;
                for inside in folders(&folder)? {
                    let about = first_sentence(&folder.join(&inside).join("mod.rs"))?;
                    writeln!(text, "| | {room}/{inside} | {about} |").map_err(|e| e.to_string())?;
                }
            }
        }
        Ok(text)
    }
}

/// The folders right inside of one, by name.
fn folders(folder: &Path) -> Result<Vec<String>, String> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{folder:?}: {error}"))?;
    let mut found: Vec<String> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().join("mod.rs").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    Ok(found)
}

/// The first sentence of a file's documentation, as one line.
fn first_sentence(path: &Path) -> Result<String, String> {
    let text = read(path)?;
    let lines: Vec<&str> = text
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    let paragraph = lines.join(" ");
    if paragraph.is_empty() {
        return Err(format!("{} does not say what it is about", path.display()));
    }
    let end = paragraph.find(". ").map_or(paragraph.len(), |end| end + 1);
    Ok(paragraph[..end].replace('|', "\\|"))
}
