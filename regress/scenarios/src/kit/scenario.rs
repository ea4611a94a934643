//! A running scenario: its cluster, its checks, and what it says.

use std::fmt::Display;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use super::cluster::Cluster;
use super::failure::{Failure, Outcome, Verdict};
use super::node::Node;

/// How many checks have passed and failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    pub passed: usize,
    pub failed: usize,
}

/// What a scenario is told.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How often to repeat; none: as often as the scenario does by itself.
    pub rounds: Option<usize>,
    /// Parts to run; none: all of them.
    pub parts: Vec<String>,
}

/// A scenario that runs.
pub struct Scenario {
    pub cluster: Cluster,
    pub options: Options,
    tally: Mutex<Tally>,
    output: Mutex<Box<dyn Write + Send>>,
}

impl Scenario {
    /// `output` is given a line for each check.
    pub fn new(cluster: Cluster, options: Options, output: Box<dyn Write + Send>) -> Self {
        Self {
            cluster,
            options,
            tally: Mutex::default(),
            output: Mutex::new(output),
        }
    }

    pub fn tally(&self) -> Tally {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line for a reader who wonders.
    pub fn note(&self, text: impl Display) {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        // The tally tells what happened even if the file cannot be written.
        let _ = writeln!(output, "{text}");
        let _ = output.flush();
    }

    /// Counts a check; true if it passed.
    pub fn check(&self, name: impl Display, verdict: impl Verdict) -> bool {
        let verdict = verdict.verdict();
        {
            let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
            match verdict {
                Ok(()) => tally.passed += 1,
                Err(_) => tally.failed += 1,
            }
        }
        match &verdict {
            Ok(()) => self.note(format_args!("ok      {name}")),
            Err(error) => self.note(format_args!("failed  {name}: {error}")),
        }
        verdict.is_ok()
    }

    /// Counts a check that something is what is wanted.
    pub fn equal(&self, name: impl Display, got: Outcome<String>, wanted: impl AsRef<str>) -> bool {
        let wanted = wanted.as_ref();
        let same = got.and_then(|got| {
            if got == wanted {
                Ok(())
            } else {
                Err(Failure::Wrong(format!("\"{got}\" instead of \"{wanted}\"")))
            }
        });
        self.check(name, same)
    }

    /// Counts a check that the statement is refused with this SQLSTATE.
    pub fn refused(
        &self,
        name: impl Display,
        node: &Node,
        sqlstate: &str,
        statement: &str,
    ) -> bool {
        let refused = match node.ask(statement) {
            Ok(said) => Err(Failure::Wrong(format!("it was not refused: {said}"))),
            Err(error) if error.sqlstate() == Some(sqlstate) => Ok(()),
            Err(error) => Err(Failure::Wrong(format!("not {sqlstate}: {error}"))),
        };
        self.check(name, refused)
    }

    /// Counts a check that the statement is refused in these words, of message, detail, hint or context.
    pub fn refused_saying(
        &self,
        name: impl Display,
        node: &Node,
        words: &str,
        statement: &str,
    ) -> bool {
        let refused = match node.ask(statement) {
            Ok(said) => Err(Failure::Wrong(format!("it was not refused: {said}"))),
            Err(error) if error.to_string().contains(words) => Ok(()),
            Err(error) => Err(Failure::Wrong(format!("not \"{words}\": {error}"))),
        };
        self.check(name, refused)
    }
}
