//! Which paths are legal, the same for every store.

use super::{Error, Result};

const MAX_PATH_BYTES: usize = 1024;
const MAX_PART_BYTES: usize = 80;

/// # Errors
/// [`Error::InvalidPath`] with the rule that is broken.
pub fn check(path: &str) -> Result<()> {
    match broken_rule(path) {
        None => Ok(()),
        Some(reason) => Err(Error::InvalidPath {
            path: path.escape_debug().to_string(),
            reason,
        }),
    }
}

fn broken_rule(path: &str) -> Option<&'static str> {
    let Some(parts) = path.strip_prefix('/') else {
        return Some("it does not begin with \"/\"");
    };
    if path.len() > MAX_PATH_BYTES {
        return Some("it is longer than 1024 bytes");
    }
    for part in parts.split('/') {
        if part.is_empty() {
            return Some("a part of it is empty");
        }
        if part == "." || part == ".." {
            return Some("a part of it is \".\" or \"..\"");
        }
        if part.len() > MAX_PART_BYTES {
            return Some("a part of it is longer than 80 bytes");
        }
        if part.chars().any(is_refused) {
            return Some("it has a control character or one that ZooKeeper refuses");
        }
    }
    None
}

/// ZooKeeper's rule (`PathUtils.validatePath`, over UTF-16): no control characters, private use
/// area, specials, or anything that needs surrogates.
fn is_refused(c: char) -> bool {
    c.is_control() || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..)
}

/// `/a/b` for `/a/b/c`, `None` for `/a`.
pub fn parent(path: &str) -> Option<&str> {
    match path.rfind('/') {
        None | Some(0) => None,
        Some(end) => Some(&path[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_and_illegal() {
        for path in [
            "/a",
            "/operations/17",
            "/status/n-1.example",
            "/ä/ö ü",
            "/a%2e",
        ] {
            assert!(check(path).is_ok(), "{path}");
        }
        let long = format!("/{}", "x".repeat(81));
        let deep = "/x".repeat(600);
        for path in [
            "",
            "/",
            "a",
            "/a/",
            "//a",
            "/a/../b",
            "/.",
            "/a\0",
            "/a\n",
            "/\u{e000}",
            &long,
            &deep,
        ] {
            assert!(check(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn parents() {
        assert_eq!(parent("/a/b/c"), Some("/a/b"));
        assert_eq!(parent("/a"), None);
    }
}
