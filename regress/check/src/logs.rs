//! What the logs of a cluster may say.
//!
//! Any line of a server or a sidecar that says that something went wrong fails the level, unless `logs.expected` lists it
//! for the level: levels (or `*`), a tab, a regular expression. Levels of one family, such as `growth-dir` and
//! `growth-zookeeper`, are listed by what comes before the dash.

use std::fs;
use std::path::{Path, PathBuf};

use regex::{Regex, RegexSet};

use crate::environment::Log;
use crate::error::Error;
use crate::report::Tests;

const BAD: &str =
    r"(WARNING|ERROR|FATAL|PANIC):  |Z +(WARN|ERROR) |terminated by signal|panicked at|TRAP:";
const EXPECTED: &str = "regress/logs.expected";
/// Lines that are shown.
const SHOWN: usize = 40;

/// Looks at all logs of the cluster in that directory.
///
/// # Errors
/// [`Error::File`], [`Error::Expected`].
pub fn check(level: &str, cluster: &Path, log: &Log) -> Result<Tests, Error> {
    let text = fs::read_to_string(EXPECTED).map_err(Error::file(EXPECTED))?;
    let expected = patterns(&text, level)?;
    let bad = Regex::new(BAD).expect("the expression is valid");
    let mut found = Vec::new();
    for file in files(cluster)? {
        let bytes = fs::read(&file).map_err(Error::file(&file))?;
        let name = file.strip_prefix(cluster).unwrap_or(&file).display();
        for line in String::from_utf8_lossy(&bytes).lines() {
            if bad.is_match(line) && !expected.is_match(line) {
                found.push(format!("{name}:{line}"));
            }
        }
    }
    if !found.is_empty() {
        log.note(format_args!(
            "unexpected lines in the logs ({}):",
            found.len()
        ));
        found.iter().take(SHOWN).for_each(|line| log.note(line));
    }
    Ok(Tests::one(found.is_empty()))
}

/// `n*/server.log` and `n*/expansed.log`.
fn files(cluster: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(cluster).map_err(Error::file(cluster))? {
        let entry = entry.map_err(Error::file(cluster))?;
        if entry.file_name().to_string_lossy().starts_with('n') {
            files.extend(["server.log", "expansed.log"].map(|name| entry.path().join(name)));
        }
    }
    files.retain(|file| file.exists());
    files.sort();
    Ok(files)
}

/// The expressions that count for this level.
fn patterns(text: &str, level: &str) -> Result<RegexSet, Error> {
    let family = level.split('-').next().unwrap_or(level);
    let mut patterns = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let fail = |reason: String| Error::Expected {
            path: EXPECTED.into(),
            line: number + 1,
            reason,
        };
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (levels, pattern) = line
            .split_once('\t')
            .ok_or_else(|| fail("there is no tab".into()))?;
        Regex::new(pattern).map_err(|error| fail(error.to_string()))?;
        if levels == "*" || levels.split(',').any(|name| name == family) {
            patterns.push(pattern);
        }
    }
    Ok(RegexSet::new(patterns).expect("each expression is valid"))
}

#[cfg(test)]
mod tests {
    use super::patterns;

    #[test]
    fn lists_are_by_level() {
        let text = "# why\n*\tERROR: everywhere\n\ncrash,shrink\tERROR: (here|there)\n";
        let of = |level: &str| patterns(text, level).expect("valid");
        assert!(of("unit").is_match("an ERROR: everywhere"));
        assert!(!of("unit").is_match("an ERROR: here"));
        assert!(of("shrink").is_match("an ERROR: there"));
        assert!(!of("shr").is_match("an ERROR: there"));
        assert!(of("crash-all").is_match("an ERROR: here"));
    }

    #[test]
    fn a_line_without_a_tab_is_refused() {
        assert!(patterns("* ERROR", "unit").is_err());
    }

    #[test]
    fn the_list_is_valid() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../logs.expected");
        let text = std::fs::read_to_string(path).expect("it is there");
        assert!(!patterns(&text, "crash").expect("valid").is_empty());
    }
}
