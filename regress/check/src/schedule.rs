//! Which level runs when.
//!
//! # How it works
//! Levels that build (`Company::Cargo`) run one after the other, in order, because Cargo would make them wait for each
//! other anyway. Beside them run levels that mostly wait (`Company::Any`), a few at a time, the longest first. Levels that
//! measure time (`Company::Alone`) run at the end, each by itself.

use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use crate::environment::{Environment, Log};
use crate::levels::{Company, Level};
use crate::report::Tests;

/// Lines of a failed level's output that are printed.
const SHOWN: usize = 200;

/// A level that has ended.
struct Ended {
    name: &'static str,
    company: Company,
    tests: Tests,
    took: Duration,
    output: String,
}

/// Runs all levels and prints a line for each; the sum.
///
/// # Errors
/// None of its own; the type is that of what can be interrupted.
pub async fn run(
    environment: &Environment,
    levels: Vec<Level>,
    jobs: usize,
) -> Result<Tests, expanse_cluster_box::Error> {
    let environment = environment.clone();
    let run = move || Ok(run_levels(&environment, levels, jobs));
    let task = tokio::task::spawn_blocking(run);
    task.await
        .unwrap_or_else(|error| Err(expanse_cluster_box::Error::Wrong(error.to_string())))
}

fn run_levels(environment: &Environment, mut waiting: Vec<Level>, jobs: usize) -> Tests {
    let begin = Instant::now();
    // A stable order: Cargo's levels keep theirs.
    waiting.sort_by_key(|level| match level.company {
        Company::Any { seconds } => (1, u64::MAX - seconds),
        Company::Cargo => (0, 0),
        Company::Alone => (2, 0),
    });
    let (ends, ended) = mpsc::channel();
    let (mut running, mut sum, mut worked) = (Vec::new(), Tests::default(), Duration::ZERO);
    loop {
        while let Some(at) = waiting
            .iter()
            .position(|level| may_start(level.company, &running, &waiting, jobs))
        {
            let level = waiting.remove(at);
            running.push(level.company);
            start(environment, level, ends.clone());
        }
        if running.is_empty() {
            break;
        }
        let Ok(end) = ended.recv() else { break };
        if let Some(at) = running.iter().position(|company| *company == end.company) {
            running.remove(at);
        }
        print(&end);
        sum = sum + end.tests;
        worked += end.took;
    }
    println!(
        "{:<18}{sum} {:>5} s, in {} s",
        "all levels",
        worked.as_secs(),
        begin.elapsed().as_secs()
    );
    sum
}

fn may_start(company: Company, running: &[Company], waiting: &[Level], jobs: usize) -> bool {
    if running.contains(&Company::Alone) {
        return false;
    }
    let any = |company: &&Company| matches!(company, Company::Any { .. });
    match company {
        Company::Cargo => !running.contains(&Company::Cargo),
        Company::Any { .. } => running.iter().filter(any).count() < jobs.max(1),
        Company::Alone => {
            running.is_empty() && waiting.iter().all(|level| level.company == Company::Alone)
        }
    }
}

fn start(environment: &Environment, level: Level, ends: Sender<Ended>) {
    let environment = environment.clone();
    std::thread::spawn(move || {
        let begin = Instant::now();
        let (name, company) = (level.name, level.company);
        let work = std::thread::spawn(move || run_level(&environment, &level));
        let (tests, output) = work
            .join()
            .unwrap_or_else(|_| (Tests::FAILED, "it panicked".into()));
        // Where the run has been interrupted, its end is of no interest.
        let _ = ends.send(Ended {
            name,
            company,
            tests,
            took: begin.elapsed(),
            output,
        });
    });
}

fn run_level(environment: &Environment, level: &Level) -> (Tests, String) {
    let log = match Log::create(environment.work().join(format!("{}.log", level.name))) {
        Ok(log) => log,
        Err(error) => return (Tests::FAILED, error.to_string()),
    };
    let tests = level.run(environment, &log).unwrap_or_else(|error| {
        log.note(error);
        Tests::FAILED
    });
    (tests, log.text())
}

fn print(end: &Ended) {
    println!("{:<18}{} {:>5} s", end.name, end.tests, end.took.as_secs());
    if end.tests.failed > 0 {
        println!("--- {}", end.name);
        let lines: Vec<&str> = end.output.lines().collect();
        for line in &lines[lines.len().saturating_sub(SHOWN)..] {
            println!("{line}");
        }
        println!("---");
    }
}

#[cfg(test)]
mod tests {
    use super::may_start;
    use crate::levels::Company;

    const ANY: Company = Company::Any { seconds: 1 };

    #[test]
    fn one_build_and_a_few_that_wait() {
        assert!(may_start(Company::Cargo, &[ANY, ANY], &[], 2));
        assert!(!may_start(Company::Cargo, &[Company::Cargo], &[], 2));
        assert!(may_start(ANY, &[Company::Cargo, ANY], &[], 2));
        assert!(!may_start(ANY, &[ANY, ANY], &[], 2));
    }

    #[test]
    fn what_measures_time_is_alone() {
        assert!(may_start(Company::Alone, &[], &[], 2));
        assert!(!may_start(Company::Alone, &[ANY], &[], 2));
        assert!(!may_start(ANY, &[Company::Alone], &[], 2));
    }
}
