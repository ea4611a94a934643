//! What the workers count, by what the cluster was doing at the time.

use std::time::Duration;

/// What the cluster was doing when a statement began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Before,
    Expand,
    Rebind,
    After,
}

impl Phase {
    pub const ALL: [Self; 4] = [Self::Before, Self::Expand, Self::Rebind, Self::After];

    pub fn label(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Expand => "expanding",
            Self::Rebind => "rebinding",
            Self::After => "after",
        }
    }
}

/// Statements of one phase.
#[derive(Debug, Clone, Default)]
pub struct PhaseTally {
    pub reads: u64,
    /// Statements that change rows; BEGIN is not counted, COMMIT is.
    pub writes: u64,
    pub failed: u64,
    /// Microseconds of each write, COMMIT included.
    write_times: Vec<u32>,
}

impl PhaseTally {
    pub fn statements(&self) -> u64 {
        self.reads + self.writes
    }

    /// The time that this share of the writes took at most (0.5 for the median, 1.0 for the
    /// longest); `None` without writes.
    pub fn write_time(&self, share: f64) -> Option<Duration> {
        let mut times = self.write_times.clone();
        times.sort_unstable();
        let last = times.len().checked_sub(1)?;
        let micros = times[(last as f64 * share).round() as usize];
        Some(Duration::from_micros(u64::from(micros)))
    }
}

/// What one worker, or all of them, counted.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub phases: [PhaseTally; 4],
    /// Reads whose answer cannot be: a row missing, seen twice, or half a transaction.
    pub wrong_reads: u64,
    pub checked_reads: u64,
    pub transactions: u64,
    /// The first few complaints, word by word.
    pub complaints: Vec<String>,
}

/// More than these would only repeat each other.
const COMPLAINTS: usize = 5;

impl Tally {
    pub fn read(&mut self, phase: Phase) {
        self.phases[phase as usize].reads += 1;
    }

    pub fn write(&mut self, phase: Phase, time: Duration) {
        let counted = &mut self.phases[phase as usize];
        counted.writes += 1;
        counted
            .write_times
            .push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    pub fn failed(&mut self, phase: Phase, complaint: String) {
        self.phases[phase as usize].failed += 1;
        self.complain(format!("{}: {complaint}", phase.label()));
    }

    /// Notes a checked answer; `wrong` says what is wrong with it.
    pub fn checked(&mut self, phase: Phase, wrong: Option<String>) {
        self.checked_reads += 1;
        if let Some(wrong) = wrong {
            self.wrong_reads += 1;
            self.complain(format!("{}: {wrong}", phase.label()));
        }
    }

    fn complain(&mut self, complaint: String) {
        if self.complaints.len() < COMPLAINTS {
            self.complaints.push(complaint);
        }
    }

    pub fn add(&mut self, other: Self) {
        for (mine, theirs) in self.phases.iter_mut().zip(other.phases) {
            mine.reads += theirs.reads;
            mine.writes += theirs.writes;
            mine.failed += theirs.failed;
            mine.write_times.extend(theirs.write_times);
        }
        self.wrong_reads += other.wrong_reads;
        self.checked_reads += other.checked_reads;
        self.transactions += other.transactions;
        for complaint in other.complaints {
            self.complain(complaint);
        }
    }

    pub fn statements(&self) -> u64 {
        self.phases.iter().map(PhaseTally::statements).sum()
    }

    pub fn failures(&self) -> u64 {
        self.phases.iter().map(|phase| phase.failed).sum()
    }

    /// The longest that any write took.
    pub fn longest_write(&self) -> Option<Duration> {
        self.phases
            .iter()
            .filter_map(|phase| phase.write_time(1.0))
            .max()
    }
}
