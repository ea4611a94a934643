//! Programs of their own that use a cluster: the differential test, the overload test, the demo.

use std::path::Path;
use std::process::Command;

use super::clustered::{on_cluster, Wanted};
use super::Known;
use crate::environment::{Environment, Log};
use crate::error::Error;
use crate::logs;
use crate::report::Tests;

#[derive(Clone, Copy)]
pub enum Program {
    Differential,
    Overload,
    /// The demo, with this coordination store.
    Growth(&'static str),
}

const ROUNDS: usize = 3;

impl Program {
    pub fn known_tests(self) -> Known {
        match self {
            Self::Differential => Known::Anything,
            Self::Overload | Self::Growth(_) => Known::Nothing,
        }
    }

    pub fn run(
        self,
        level: &str,
        environment: &Environment,
        tests: &[String],
        log: &Log,
    ) -> Result<Tests, Error> {
        match self {
            Self::Differential => differential(level, environment, tests, log),
            Self::Overload => overload(level, environment, log),
            Self::Growth(coordination) => growth(level, coordination, environment, log),
        }
    }
}

fn built(name: &str) -> Command {
    Command::new(Path::new("target/release").join(name))
}

/// All statements, or one for each seed.
fn differential(
    level: &str,
    environment: &Environment,
    seeds: &[String],
    log: &Log,
) -> Result<Tests, Error> {
    on_cluster(&Wanted::nodes(level, 3), environment, log, |running| {
        let attached = || {
            let mut command = built("expanse-differential");
            command.arg("--attach").arg(running.port().to_string());
            command
        };
        if seeds.is_empty() {
            return Ok(Tests::one(environment.run(&mut attached(), log)?));
        }
        let mut tests = Tests::default();
        for seed in seeds {
            let mut command = attached();
            command.args(["--verbose", "--statements", "1", "--seed", seed]);
            tests = tests + Tests::one(environment.run(&mut command, log)?);
        }
        Ok(tests)
    })
}

fn overload(level: &str, environment: &Environment, log: &Log) -> Result<Tests, Error> {
    on_cluster(&Wanted::nodes(level, 3), environment, log, |running| {
        let mut command = built("expanse-overload");
        command
            .arg("--dir")
            .arg(running.directory())
            .arg("--base-port")
            .arg(running.port().to_string())
            .arg("--rounds")
            .arg(environment.rounds().unwrap_or(ROUNDS).to_string());
        let succeeded = environment.run(&mut command, log)?;
        Ok(Tests::of_program(succeeded, &log.text()))
    })
}

/// The demo makes a cluster of its own, and leaves it for a look at its logs.
fn growth(
    level: &str,
    coordination: &str,
    environment: &Environment,
    log: &Log,
) -> Result<Tests, Error> {
    let ports = environment.ports()?;
    let cluster = environment.cluster(level, 3, coordination, &ports, &[]);
    let options = cluster.options();
    let mut command = built("expanse-demo");
    command
        .arg("--expansectl")
        .arg(&options.expansectl)
        .arg("--dir")
        .arg(&options.dir)
        .arg("--base-port")
        .arg(options.base_port.to_string())
        .args(["--coordination", coordination])
        .args(["--scale", "0.01", "--calm", "2", "--keep"]);
    let mut tests = Tests::one(environment.run(&mut command, log)?);
    if options.dir.exists() {
        tests = tests + logs::check(level, &options.dir, log)?;
    }
    expanse_scenarios::kit::block_on(cluster.close())?;
    Ok(tests)
}
