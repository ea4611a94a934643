//! The figures of rebinds, and how they read.

use serde::Serialize;

use super::writers::Tally;
use super::{RebindOptions, BUDGET_MS};
use crate::report::{units, TextTable};

/// The table that was spread from two nodes over three. Times of writes are those of whole statements, as clients see
/// them; the freeze is the time in which the operation made writes wait.
#[derive(Debug, Clone, Serialize)]
pub struct Expansion {
    pub rows: i64,
    pub total_s: f64,
    pub rebind_s: f64,
    pub rows_moved: i64,
    pub rows_planned: i64,
    pub bytes_moved: i64,
    pub bytes_planned: i64,
    pub rows_per_second: f64,
    pub freeze_ms: f64,
    pub statements: u64,
    pub failed: u64,
    pub longest_write_ms: f64,
    pub first_failure: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct RebindFigures {
    pub indexes: usize,
    pub max_rate: Option<String>,
    pub expansion: Expansion,
    pub rebinds: usize,
    /// Every time that writes waited, in milliseconds, ascending once closed.
    pub freezes_ms: Vec<f64>,
    pub statements: u64,
    pub failed: u64,
    pub longest_write_ms: f64,
    pub first_failure: Option<String>,
}

impl RebindFigures {
    pub fn new(options: &RebindOptions, expansion: Expansion) -> Self {
        Self {
            indexes: options.indexes,
            max_rate: options.max_rate.clone(),
            expansion,
            rebinds: options.rebinds,
            freezes_ms: Vec::new(),
            statements: 0,
            failed: 0,
            longest_write_ms: 0.0,
            first_failure: None,
        }
    }

    pub fn add_freezes(&mut self, freezes: Vec<f64>) {
        self.freezes_ms.extend(freezes);
    }

    pub fn close(&mut self, tally: Tally) {
        self.freezes_ms.sort_unstable_by(f64::total_cmp);
        self.statements = tally.statements;
        self.failed = tally.failed;
        self.longest_write_ms = tally.longest.as_secs_f64() * 1e3;
        self.first_failure = tally.first_failure;
    }

    /// What makes the run a failure: statements that failed.
    pub fn errors(&self) -> Vec<String> {
        let failures = [
            (self.expansion.failed, &self.expansion.first_failure),
            (self.failed, &self.first_failure),
        ];
        let shown = failures.iter().filter(|(failed, _)| *failed > 0);
        shown
            .map(|(failed, first)| {
                let first = first.as_deref().unwrap_or_default();
                format!("rebind: {failed} statements failed: {first}")
            })
            .collect()
    }

    pub fn table(&self) -> TextTable {
        let mut table = TextTable::new(&["rebind", "figure", "promised"], 1);
        for (what, figure, promised) in self.rows() {
            table.row(vec![what, figure, promised]);
        }
        table
    }

    /// What was measured, the figure, and what is promised.
    fn rows(&self) -> Vec<(String, String, String)> {
        let e = &self.expansion;
        let row = |what: &str, figure: String, promised: &str| {
            (what.to_owned(), figure, promised.to_owned())
        };
        let seconds = |s: f64| format!("{s:.1} s");
        let ms = |ms: f64| format!("{ms:.0} ms");
        let share = e.bytes_moved as f64 / (e.bytes_planned as f64).max(1.0);
        let within = self.freezes_ms.iter().filter(|ms| **ms <= BUDGET_MS);
        let (all, within) = (self.freezes_ms.len(), within.count());
        vec![
            row("2 to 3 nodes: rows of the table", units::count(e.rows), "-"),
            row("2 to 3 nodes: total time", seconds(e.total_s), "-"),
            row("2 to 3 nodes: of it the rebind", seconds(e.rebind_s), "-"),
            row("2 to 3 nodes: rows moved", units::count(e.rows_moved), "-"),
            row(
                "2 to 3 nodes: rows moved a second",
                units::count(e.rows_per_second as i64),
                "-",
            ),
            row(
                "2 to 3 nodes: bytes planned",
                units::bytes(e.bytes_planned),
                "-",
            ),
            row(
                "2 to 3 nodes: bytes moved",
                format!("{} ({share:.2}x)", units::bytes(e.bytes_moved)),
                "1.10x",
            ),
            row("2 to 3 nodes: freeze", ms(e.freeze_ms), "500 ms"),
            row("2 to 3 nodes: longest write", ms(e.longest_write_ms), "-"),
            row(
                "2 to 3 nodes: statements meanwhile",
                units::count(e.statements as i64),
                "-",
            ),
            row("2 to 3 nodes: failed", units::count(e.failed as i64), "0"),
            row(
                &format!("{} rebinds and back: freezes", self.rebinds),
                format!("{all}, {within} within the budget"),
                "all",
            ),
            row(
                "in a row: freeze, median",
                ms(part(&self.freezes_ms, 0.5)),
                "100 ms",
            ),
            row(
                "in a row: freeze, p95",
                ms(part(&self.freezes_ms, 0.95)),
                "-",
            ),
            row(
                "in a row: freeze, longest",
                ms(part(&self.freezes_ms, 1.0)),
                "500 ms",
            ),
            row("in a row: longest write", ms(self.longest_write_ms), "-"),
            row(
                "in a row: statements meanwhile",
                units::count(self.statements as i64),
                "-",
            ),
            row("in a row: failed", units::count(self.failed as i64), "0"),
        ]
    }
}

/// The value that this share of the (ascending) values does not exceed; 0 of none.
fn part(values: &[f64], share: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else {
        return 0.0;
    };
    values[(last as f64 * share).round() as usize]
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn parts_of_ascending_values() {
        let values = [1.0, 2.0, 3.0, 4.0, 100.0];
        assert_eq!(part(&values, 0.5), 3.0);
        assert_eq!(part(&values, 1.0), 100.0);
        assert_eq!(part(&[], 0.5), 0.0);
    }
}
