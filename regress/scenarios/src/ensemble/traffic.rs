//! Reads and writes at a fixed rate over all owners.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::kit::{Cluster, Failure, Outcome, Pgbench, Scenario};

/// Transactions a second.
const RATE: u64 = 40;
const SLOW: Duration = Duration::from_secs(1);
const SCRIPT: &str = r"\set id random(1, 1000)
UPDATE ensemble SET hits = hits + 1 WHERE id = :id;
SELECT hits FROM ensemble WHERE id = :id;
";

/// What a disturbance did.
pub enum Harm {
    /// It was slower, which may be the machine's doing.
    Slower(String),
    /// A statement failed, or the disturbance itself.
    Broken(Failure),
}

impl From<Harm> for Failure {
    fn from(harm: Harm) -> Self {
        match harm {
            Harm::Slower(figures) => Self::Wrong(figures),
            Harm::Broken(failure) => failure,
        }
    }
}

impl From<Failure> for Harm {
    fn from(failure: Failure) -> Self {
        Self::Broken(failure)
    }
}

pub struct Traffic {
    cluster: Cluster,
    pgbench: Pgbench,
}

impl Traffic {
    pub fn start(scenario: &Scenario) -> Outcome<Self> {
        let cluster = scenario.cluster.clone();
        let script = cluster.file("traffic.sql");
        fs::write(&script, SCRIPT).map_err(Failure::io("writing traffic.sql"))?;
        let log = format!("--log-prefix={}", cluster.file("traffic").display());
        let rate = RATE.to_string();
        let arguments = ["-c", "4", "-R", &rate, "-T", "100000", "-l", &log];
        let pgbench = Pgbench::start(&cluster, &cluster.node(1), "pgbench", &script, &arguments)?;
        Ok(Self { cluster, pgbench })
    }

    /// Transactions so far.
    fn seen(&self) -> Outcome<u64> {
        let hits = self
            .cluster
            .node(1)
            .number("SELECT sum(hits) FROM ensemble")?;
        Ok(hits.try_into().unwrap_or_default())
    }

    /// The rate was kept meanwhile, and nothing took longer than a second.
    pub fn during(&mut self, disturbance: impl FnOnce() -> Outcome) -> Result<(), Harm> {
        let (before, began) = (self.seen()?, seconds_now());
        let begin = Instant::now();
        disturbance()?;
        let took = begin.elapsed().as_secs();
        if !self.pgbench.runs() {
            let said = self.pgbench.said();
            let what = format!("a statement failed: {said}");
            return Err(Harm::Broken(Failure::Wrong(what)));
        }
        let done = self.seen()? - before;
        let slowest = slowest_since(self.cluster.directory(), began)?;
        if done >= took * RATE * 8 / 10 && slowest < SLOW {
            return Ok(());
        }
        Err(Harm::Slower(format!(
            "{done} transactions in {took} s, the slowest {} ms",
            slowest.as_millis()
        )))
    }

    /// Ends it; nothing has failed.
    pub fn stop(self) -> Outcome {
        let said = self.pgbench.stop()?;
        let lower = said.to_lowercase();
        if lower.contains("error") || lower.contains("aborted") {
            return Err(Failure::Wrong(said));
        }
        Ok(())
    }
}

fn seconds_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |time| time.as_secs())
}

/// The slowest transaction that ended since then, by pgbench's logs. Columns: client, number, microseconds taken,
/// script, second it ended in ...
fn slowest_since(directory: &Path, began: u64) -> Outcome<Duration> {
    let entries = fs::read_dir(directory).map_err(Failure::io("reading logs of pgbench"))?;
    let mut slowest = 0;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix("traffic.").unwrap_or_default();
        if !number.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        let text = fs::read_to_string(entry.path()).map_err(Failure::io(name))?;
        for line in text.lines() {
            let column = |at: usize| line.split(' ').nth(at).and_then(|text| text.parse().ok());
            if let (Some(took), Some(ended)) = (column(2), column(4)) {
                if ended >= began {
                    slowest = slowest.max(took);
                }
            }
        }
    }
    Ok(Duration::from_micros(slowest))
}
