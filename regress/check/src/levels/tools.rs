//! Levels that need no cluster.

use std::process::Command;

use super::Known;
use crate::environment::{Environment, Log};
use crate::error::Error;
use crate::report::Tests;

#[derive(Clone, Copy)]
pub enum Tool {
    Format,
    Lint,
    Unit,
    Symbols,
    Service,
    Foreign,
    Upgrade,
}

impl Tool {
    pub fn known_tests(self) -> Known {
        match self {
            Self::Unit => Known::Anything,
            _ => Known::Nothing,
        }
    }

    pub fn run(
        self,
        environment: &Environment,
        tests: &[String],
        log: &Log,
    ) -> Result<Tests, Error> {
        let mut command = match self {
            Self::Format => cargo(&["fmt", "--all", "--check"]),
            Self::Lint => cargo(&[
                "clippy",
                "--release",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]),
            Self::Unit => unit(tests),
            Self::Symbols => {
                let mut symbols = Command::new("regress/symbols.sh");
                symbols.args(["target/release/libexpanse.so", "sql"]);
                symbols
            }
            Self::Service => Command::new("regress/service.sh"),
            Self::Foreign => return on_own_server("regress/foreign/run.sh", environment, log),
            Self::Upgrade => return on_own_server("regress/upgrade/run.sh", environment, log),
        };
        let succeeded = environment.run(&mut command, log)?;
        if !tests.is_empty() && Tests::counted(&log.text()) == Tests::default() {
            log.note(format_args!("no test has the name {}", tests.join(" or ")));
            return Ok(Tests::FAILED);
        }
        Ok(Tests::of_program(succeeded, &log.text()))
    }
}

fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

fn unit(tests: &[String]) -> Command {
    let mut command = cargo(&["test", "--release", "--workspace", "--no-fail-fast"]);
    if !tests.is_empty() {
        command.arg("--").args(tests);
    }
    command
}

/// Runs a script that starts a server of its own, at a port that nothing else uses meanwhile.
fn on_own_server(script: &str, environment: &Environment, log: &Log) -> Result<Tests, Error> {
    let ports = environment.ports()?;
    let mut command = Command::new(script);
    command
        .arg(environment.pg_box())
        .arg(environment.work())
        .arg(ports.base().to_string());
    let succeeded = environment.run(&mut command, log)?;
    Ok(Tests::of_program(succeeded, &log.text()))
}
