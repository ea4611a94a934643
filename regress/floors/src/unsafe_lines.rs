//! How much of a crate is inside of `unsafe`, and which safe functions take raw pointers.

use crate::imports::code_of;
use crate::read;
use std::path::{Path, PathBuf};

/// Of all sources below a folder.
#[derive(Debug, Default)]
pub struct UnsafeLines {
    pub lines: usize,
    /// Those in `unsafe` blocks.
    pub inside: usize,
    /// Safe functions with a raw pointer among their parameters: file and name.
    pub raw_parameters: Vec<(PathBuf, String)>,
}

/// Reads all sources below `src`.
///
/// # Errors
/// A text that names what cannot be read.
pub fn unsafe_lines(src: &Path) -> Result<UnsafeLines, String> {
    let mut found = UnsafeLines::default();
    let mut folders = vec![src.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("{folder:?}: {error}"))?;
        for entry in entries {
            let path = entry.map_err(|error| error.to_string())?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = read(&path)?;
                let code = code_of(&text);
                found.lines += text.lines().count();
                found.inside += lines_inside(&code);
                let of_file = raw_parameters(&code).into_iter();
                found
                    .raw_parameters
                    .extend(of_file.map(|name| (path.clone(), name)));
            }
        }
    }
    Ok(found)
}

/// Lines of `unsafe { ... }`, the outermost ones.
fn lines_inside(code: &str) -> usize {
    let mut lines = 0;
    let mut from = 0;
    while let Some(start) = code[from..].find("unsafe").map(|at| from + at) {
        from = start + "unsafe".len();
        let rest = &code[from..];
        if !rest.trim_start().starts_with('{') || code[..start].ends_with(is_part_of_name) {
            continue;
        }
        let open = from + rest.find('{').unwrap_or(0);
        let end = open + block(&code[open..]);
        lines += 1 + code[open..end].matches('\n').count();
        from = end;
    }
    lines
}

/// The length of the block that begins here.
fn block(code: &str) -> usize {
    let mut depth = 0usize;
    for (index, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return index + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

fn is_part_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Names of functions that are not unsafe and have a raw pointer among their parameters.
fn raw_parameters(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices("fn ") {
        if code[..start].ends_with(is_part_of_name) {
            continue;
        }
        // What stands before it on its line, `pub unsafe extern "C-unwind"` for instance.
        let line = code[..start].rfind('\n').map_or(0, |at| at + 1);
        let rest = &code[start + "fn ".len()..];
        let name: String = rest.chars().take_while(|c| is_part_of_name(*c)).collect();
        let Some(end) = rest.find(['{', ';']) else {
            continue;
        };
        let declared_only = rest[end..].starts_with(';');
        let signature = rest[..end].split("->").next().unwrap_or_default();
        // A closure that is given a pointer promises nothing about one.
        let raw = signature.contains(": *mut ") || signature.contains(": *const ");
        let is_unsafe = code[line..start]
            .split_whitespace()
            .any(|word| word == "unsafe");
        if raw && !is_unsafe && !declared_only && !name.is_empty() {
            found.push(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_blocks_are_counted_once() {
        let code =
            "fn a() {\n unsafe { b() };\n unsafe {\n unsafe { c() }\n }\n}\nunsafe fn d() {}\n";
        assert_eq!(lines_inside(code), 1 + 3);
    }

    #[test]
    fn safe_functions_with_raw_pointers_are_found() {
        let code = "pub fn a(x: *mut T) {} unsafe\nfn b(x: &T) -> *mut T {}\npub unsafe fn c(x: *const T) {}\n\
                    fn d(x: *mut T);";
        assert_eq!(raw_parameters(code), ["a"]);
    }
}
