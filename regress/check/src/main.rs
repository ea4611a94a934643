//! `make check`: runs the test levels, side by side where they do not disturb each other, and sums up.
//!
//! [`levels`] lists the levels; [`schedule`] decides what runs when; [`environment`] is what a level is given; [`logs`]
//! looks at the logs of each cluster. A level prints a line when it ends, and what it said if it has failed. The last
//! line is the sum: `N passed, N failed`.
#![forbid(unsafe_code)]

mod environment;
mod error;
mod levels;
mod logs;
mod only;
mod report;
mod schedule;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use expanse_cluster_box::interrupt::unless_interrupted;
use expanse_cluster_box::ports;
use expanse_scenarios::kit::block_on;

use environment::Environment;
use error::Error;

/// Runs the test levels.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The relocated PostgreSQL under test
    #[arg(long = "box")]
    pg_box: PathBuf,
    /// Levels, or single tests of a level as LEVEL/TEST, separated by commas; all levels if empty
    #[arg(long, default_value = "")]
    only: String,
    /// Levels that mostly wait which run at the same time
    #[arg(long, default_value_t = 4, env = "EXPANSE_CHECK_JOBS")]
    jobs: usize,
    /// How often levels that break things do so; none: as often as they do by themselves
    #[arg(long, env = "EXPANSE_ROUNDS")]
    rounds: Option<usize>,
    /// Ports among which free ones are looked for
    #[arg(long, value_parser = port_range, env = "EXPANSE_CHECK_PORTS")]
    ports: Option<RangeInclusive<u16>>,
    /// Keep the results of SQL levels that differ from what is expected in this directory
    #[arg(long, env = "KEEP_RESULTS")]
    keep_results: Option<PathBuf>,
    /// List the levels and end
    #[arg(long)]
    list: bool,
}

fn port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let wanted = || format!("\"{text}\" is not a range of ports such as 12000-12999");
    let (first, last) = text.split_once('-').ok_or_else(wanted)?;
    let port = |text: &str| text.trim().parse().map_err(|_| wanted());
    Ok(port(first)?..=port(last)?)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        levels::all().iter().for_each(|level| println!("{level}"));
        return ExitCode::SUCCESS;
    }
    match run(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Error::Box(expanse_cluster_box::Error::Interrupted)) => ExitCode::from(130),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// True if all tests have passed.
fn run(arguments: Arguments) -> Result<bool, Error> {
    let selected = only::select(levels::all(), &arguments.only)?;
    let environment = Environment::new(
        arguments.pg_box,
        arguments.ports.unwrap_or(ports::DEFAULT_RANGE),
        arguments.rounds,
        arguments.keep_results,
    )?;
    let outcome = block_on(unless_interrupted(schedule::run(
        &environment,
        selected,
        arguments.jobs,
    )));
    environment.end();
    let sum = outcome?;
    println!("{} passed, {} failed", sum.passed, sum.failed);
    Ok(sum.failed == 0)
}
