//! The SQL of the extension: parts by concept, each object with its privileges and its comment beside it.

use super::{at, files, is_up_to_date, read};
use std::path::PathBuf;

pub fn parts() -> Vec<PathBuf> {
    files("sql/parts", ".sql")
}

/// The version that `CREATE EXTENSION` installs.
fn version() -> String {
    let control = read(&at("sql/expanse.control"));
    let line = control
        .lines()
        .find_map(|line| line.strip_prefix("default_version = '"));
    let version = line.and_then(|rest| rest.strip_suffix('\''));
    version
        .expect("the control file has a default_version")
        .to_owned()
}

#[test]
fn the_installed_file_is_made_of_the_parts() {
    let mut whole = "-- Put together from sql/parts by make sql: change those.\n".to_owned();
    for part in parts() {
        whole.push('\n');
        whole.push_str(&read(&part));
    }
    is_up_to_date(&format!("sql/expanse--{}.sql", version()), &whole);
}

#[test]
fn the_versions_of_the_programs_and_of_the_sql_are_one() {
    assert_eq!(version(), env!("CARGO_PKG_VERSION"));
}

/// Lines of a part that begin a statement, and the name of the object that it is about: `CREATE FUNCTION a.b(...)`
/// gives `("CREATE FUNCTION", "a.b")`.
fn heads(part: &str) -> Vec<(&'static str, &str)> {
    const HEADS: [&str; 7] = [
        "CREATE FUNCTION",
        "CREATE VIEW",
        "REVOKE ALL ON FUNCTION",
        "GRANT EXECUTE ON FUNCTION",
        "COMMENT ON FUNCTION",
        "COMMENT ON VIEW",
        "GRANT SELECT ON",
    ];
    let mut found = Vec::new();
    for line in part.lines() {
        for verb in HEADS {
            let rest = line.strip_prefix(verb);
            if let Some(rest) = rest.and_then(|rest| rest.strip_prefix(' ')) {
                let end = rest.find(['(', ' ', ';']).unwrap_or(rest.len());
                found.push((verb, &rest[..end]));
            }
        }
    }
    found
}

#[test]
fn each_function_has_its_privileges_and_its_comment_beside_it() {
    let mut functions = 0;
    for path in parts() {
        let part = read(&path);
        let heads = heads(&part);
        for (at, (verb, name)) in heads.iter().enumerate() {
            if *verb != "CREATE FUNCTION" {
                continue;
            }
            functions += 1;
            let mut beside = heads[at + 1..].iter().filter(|(_, other)| other == name);
            let mut next = beside.next();
            if next.is_some_and(|(verb, _)| *verb == "REVOKE ALL ON FUNCTION") {
                next = beside.next();
            }
            assert!(
                next.is_some_and(|(verb, _)| *verb == "GRANT EXECUTE ON FUNCTION")
                    && beside
                        .next()
                        .is_some_and(|(verb, _)| *verb == "COMMENT ON FUNCTION"),
                "{}: {name} is not followed by GRANT and COMMENT of its own",
                path.display()
            );
        }
    }
    assert!(functions > 100, "only {functions} functions were found");
}

#[test]
fn each_view_has_its_privileges_and_its_comment_beside_it() {
    let views = read(&at("sql/parts/60_views.sql"));
    let heads = heads(&views);
    let mut created = 0;
    for window in heads.windows(3) {
        let [(verb, name), grant, comment] = window else {
            unreachable!("windows of three have three")
        };
        if *verb == "CREATE VIEW" {
            created += 1;
            assert_eq!(*grant, ("GRANT SELECT ON", *name));
            assert_eq!(*comment, ("COMMENT ON VIEW", *name));
        }
    }
    assert_eq!(
        created,
        heads
            .iter()
            .filter(|(verb, _)| *verb == "CREATE VIEW")
            .count()
    );
    assert!(created > 5, "only {created} views were found");
}
