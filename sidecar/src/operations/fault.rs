//! Points at which a test makes this sidecar die or wait: before and after each write of the journal.
//!
//! The environment variable `EXPANSE_FAULT_FILE` names a file, shared by all sidecars of a test, with one line:
//! `KIND SIDE COUNT ACTION`, such as `rebind before 3 kill`. The third write of a rebind's entry from then on is not made
//! any more. The file is gone once the point has been reached; a test that still finds it knows that there was none.
//! With the action `wait` the sidecar waits there, for half a minute at most, until `FILE.go` exists.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use expanse_core::wire::OperationKind;
use tokio::time::{sleep, Instant};

use crate::sys::{signal, Signal};

const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// On which side of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    kind: String,
    side: Side,
    count: u32,
    kill: bool,
}

impl Fault {
    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [kind, side, count, action] = words[..] else {
            return None;
        };
        Some(Self {
            kind: kind.to_owned(),
            side: match side {
                "before" => Side::Before,
                "after" => Side::After,
                _ => return None,
            },
            count: count.parse().ok().filter(|count| *count > 0)?,
            kill: match action {
                "kill" => true,
                "wait" => false,
                _ => return None,
            },
        })
    }

    fn line(&self) -> String {
        let side = match self.side {
            Side::Before => "before",
            Side::After => "after",
        };
        let action = if self.kill { "kill" } else { "wait" };
        format!("{} {side} {} {action}", self.kind, self.count)
    }
}

/// A write of the journal is about to be made, or has been made.
pub async fn point(kind: OperationKind, side: Side) {
    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let file = FILE.get_or_init(|| std::env::var_os("EXPANSE_FAULT_FILE").map(PathBuf::from));
    if let Some(file) = file {
        reach(file, kind, side).await;
    }
}

async fn reach(file: &Path, kind: OperationKind, side: Side) {
    let Some(mut fault) = std::fs::read_to_string(file)
        .ok()
        .and_then(|text| Fault::parse(&text))
        .filter(|fault| fault.kind == kind.as_str() && fault.side == side)
    else {
        return;
    };
    fault.count -= 1;
    if fault.count > 0 {
        let _ = std::fs::write(file, fault.line());
        return;
    }
    tracing::info!(kind = kind.as_str(), ?side, "fault point reached");
    let _ = std::fs::remove_file(file);
    if fault.kill {
        // It ends here, or the test sees that it did not.
        let _ = signal(std::process::id(), Signal::Kill);
    }
    let go = file.with_extension("go");
    let patience = Instant::now() + LONGEST_WAIT;
    while !go.exists() && Instant::now() < patience {
        sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_as_written() {
        for text in ["rebind before 3 kill", "expand after 1 wait"] {
            assert_eq!(Fault::parse(text).unwrap().line(), text);
        }
        for text in [
            "",
            "rebind",
            "rebind before 0 kill",
            "rebind between 1 kill",
            "rebind before 1 x",
        ] {
            assert_eq!(Fault::parse(text), None);
        }
    }

    #[tokio::test]
    async fn a_point_that_is_not_meant_changes_nothing_and_others_count_down() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("fault");
        std::fs::write(&file, "rebind after 2 wait").unwrap();
        reach(&file, OperationKind::Expand, Side::After).await;
        reach(&file, OperationKind::Rebind, Side::Before).await;
        let left = || std::fs::read_to_string(&file).ok();
        assert_eq!(left().as_deref(), Some("rebind after 2 wait"));
        reach(&file, OperationKind::Rebind, Side::After).await;
        assert_eq!(left().as_deref(), Some("rebind after 1 wait"));
        std::fs::write(file.with_extension("go"), "").unwrap();
        reach(&file, OperationKind::Rebind, Side::After).await;
        assert_eq!(left(), None);
    }
}
