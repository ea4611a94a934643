//! Medians over the rounds, as a table, as markdown and as JSON.

use serde::Serialize;

use super::cases::Case;
use super::rebind::RebindFigures;
use super::BenchOptions;
use crate::report::{units, TextTable};
use crate::Error;

/// One measurement of a case on both sides.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Measured {
    pub plain: f64,
    pub cluster: f64,
}

#[derive(Debug, Clone, Serialize)]
struct CaseResult {
    name: &'static str,
    unit: &'static str,
    promise: Option<f64>,
    plain_median: f64,
    cluster_median: f64,
    /// Median over the rounds of the ratio of the two measurements of one round.
    ratio: f64,
    rounds: Vec<Measured>,
    error: Option<String>,
}

/// All cases of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Results {
    clients: usize,
    rounds: usize,
    seconds_a_measurement: f64,
    rows: i64,
    cores: usize,
    cases: Vec<CaseResult>,
    rebind: Option<RebindFigures>,
}

impl Results {
    pub fn new(cases: &[&Case], options: &BenchOptions) -> Self {
        let empty = |case: &&Case| CaseResult {
            name: case.name,
            unit: case.unit,
            promise: case.promise,
            plain_median: 0.0,
            cluster_median: 0.0,
            ratio: 0.0,
            rounds: Vec::new(),
            error: None,
        };
        Self {
            clients: options.clients,
            rounds: options.rounds,
            seconds_a_measurement: options.time.as_secs_f64(),
            rows: options.rows,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cases: cases.iter().map(empty).collect(),
            rebind: None,
        }
    }

    /// Adds what one round measured of a case, or why it could not.
    pub fn add(&mut self, name: &str, measured: Result<Measured, Error>) {
        let Some(case) = self.cases.iter_mut().find(|case| case.name == name) else {
            return;
        };
        match measured {
            Ok(measured) => case.rounds.push(measured),
            Err(error) => case.error = Some(error.to_string()),
        }
        case.plain_median = median(case.rounds.iter().map(|m| m.plain));
        case.cluster_median = median(case.rounds.iter().map(|m| m.cluster));
        case.ratio = median(case.rounds.iter().map(|m| m.cluster / m.plain));
    }

    pub fn set_rebind(&mut self, figures: RebindFigures) {
        self.rebind = Some(figures);
    }

    /// What could not be measured, with the reason, and what failed meanwhile.
    pub fn errors(&self) -> Vec<String> {
        let error = |c: &CaseResult| c.error.as_ref().map(|error| format!("{}: {error}", c.name));
        let rebind = self.rebind.iter().flat_map(RebindFigures::errors);
        self.cases.iter().filter_map(error).chain(rebind).collect()
    }

    /// The tables, those of them that something was measured for.
    pub fn tables(&self) -> Vec<TextTable> {
        let cases = (!self.cases.is_empty()).then(|| self.table());
        let rebind = self.rebind.as_ref().map(RebindFigures::table);
        cases.into_iter().chain(rebind).collect()
    }

    fn table(&self) -> TextTable {
        let head = [
            "work",
            "unit",
            "plain PostgreSQL",
            "3 nodes",
            "ratio",
            "promised",
        ];
        let mut table = TextTable::new(&head, 2);
        for case in &self.cases {
            let measured = !case.rounds.is_empty();
            let rate = |rate: f64| {
                if measured {
                    units::count(rate.round() as i64)
                } else {
                    "failed".into()
                }
            };
            table.row(vec![
                case.name.into(),
                case.unit.into(),
                rate(case.plain_median),
                rate(case.cluster_median),
                if measured {
                    format!("{:.2}x", case.ratio)
                } else {
                    "-".into()
                },
                case.promise
                    .map_or_else(|| "-".into(), |promise| format!("{promise:.2}x")),
            ]);
        }
        table
    }

    /// How the figures came about, in a sentence.
    pub fn conditions(&self) -> String {
        format!(
            "Medians of {} rounds, {} clients, {} s a measurement, {} rows, {} cores for the \
             clients and all servers together; plain PostgreSQL and the cluster in turns.",
            self.rounds,
            self.clients,
            self.seconds_a_measurement,
            units::count(self.rows),
            self.cores,
        )
    }
}

/// The middle value, 0 of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0].into_iter()), 2.5);
        assert_eq!(median([].into_iter()), 0.0);
    }
}
