//! Storages: what a name and a directory must be like, and each node's own directory.
//!
//! A directory is given once for all nodes. `{node}` in it stands for the node's name, so that nodes that share a file
//! system do not share a directory.

/// Stands for the name of the node.
pub const NODE: &str = "{node}";
/// PostgreSQL's limit for a name (`NAMEDATALEN` - 1).
const MAX_NAME_BYTES: usize = 63;
/// PostgreSQL adds names of files of its own, and has room for 1024 bytes in all.
const MAX_DIRECTORY_BYTES: usize = 900;

/// The tablespace that every server has.
pub const DEFAULT: &str = "pg_default";

/// # Errors
/// What is wrong with the name of a new storage.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > MAX_NAME_BYTES {
        return Err("it is longer than 63 bytes");
    }
    if name.starts_with("pg_") {
        return Err("names that begin with pg_ belong to PostgreSQL");
    }
    if name.chars().any(char::is_control) {
        return Err("it contains a control character");
    }
    Ok(())
}

/// The directory as it is recorded: without slashes that say nothing.
///
/// # Errors
/// What is wrong with it.
pub fn check_directory(directory: &str) -> Result<String, &'static str> {
    if !directory.starts_with('/') {
        return Err("it does not begin with a slash");
    }
    if directory.len() > MAX_DIRECTORY_BYTES {
        return Err("it is longer than 900 bytes");
    }
    if directory.chars().any(char::is_control) {
        return Err("it contains a control character");
    }
    if directory.contains('\'') {
        return Err("it contains a quote, which PostgreSQL does not take");
    }
    if directory.replace(NODE, "").contains(['{', '}']) {
        return Err("the only placeholder is {node}");
    }
    let parts: Vec<&str> = directory
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    if parts.is_empty() {
        return Err("it is the root of the file system");
    }
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err("it contains \".\" or \"..\"");
    }
    Ok(format!("/{}", parts.join("/")))
}

/// A node's own directory.
pub fn location(directory: &str, node_name: &str) -> String {
    directory.replace(NODE, node_name)
}

/// Two nodes that would use one directory, by the place in the world that each node says its directory is at.
pub fn collision(places: &[(String, String)]) -> Option<(&str, &str)> {
    places.iter().enumerate().find_map(|(n, (node, place))| {
        let other = places[..n].iter().find(|(_, other)| other == place)?;
        Some((other.0.as_str(), node.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_absolute_and_plain() {
        assert_eq!(check_directory("/disk/fast").as_deref(), Ok("/disk/fast"));
        assert_eq!(
            check_directory("//disk///{node}/").as_deref(),
            Ok("/disk/{node}")
        );
        for bad in [
            "", "disk", "/", "//", "/a/../b", "/a/.", "/it's", "/a\nb", "/{name}", "/{node", "/}",
        ] {
            assert!(check_directory(bad).is_err(), "{bad}");
        }
        assert!(check_directory(&format!("/{}", "x".repeat(900))).is_err());
    }

    #[test]
    fn names_leave_postgresql_its_own() {
        assert_eq!(check_name("fast disk"), Ok(()));
        for bad in ["", "pg_default", "pg_x", "a\0b", &"x".repeat(64)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_location_is_the_nodes_own_where_the_placeholder_says_so() {
        assert_eq!(location("/disk/{node}/{node}", "n1"), "/disk/n1/n1");
        assert_eq!(location("/disk", "n1"), "/disk");
    }

    #[test]
    fn nodes_at_one_place_are_found() {
        let at = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter()
                .map(|(n, p)| ((*n).into(), (*p).into()))
                .collect()
        };
        assert_eq!(collision(&at(&[("n1", "a"), ("n2", "b")])), None);
        assert_eq!(
            collision(&at(&[("n1", "a"), ("n2", "b"), ("n3", "a")])),
            Some(("n1", "n3"))
        );
        assert_eq!(collision(&[]), None);
    }
}
