//! The scenarios of the crate expanse-scenarios, and those that are still scripts.

use std::process::Command;

use expanse_scenarios::kit::{Cluster, Options, Scenario};
use expanse_scenarios::{Definition, ALL};

use super::clustered::{on_cluster, Wanted};
use super::{Company, Kind, Known, Level};
use crate::environment::{Environment, Log};
use crate::error::Error;
use crate::report::Tests;

/// Scenarios that are still scripts: name, about how many seconds, arguments, whether only when asked for.
const SCRIPTS: &[(&str, u64, &[&str], bool)] = &[
    ("schema", 60, &[], false),
    ("operations", 80, &[], false),
    ("rebind", 90, &[], false),
    ("rewrite", 60, &[], false),
    ("shrink", 100, &[], false),
    ("storage", 60, &[], false),
    ("killsteps", 200, &["3", "s5", "r9", "a3"], false),
    ("killsteps-all", 0, &["all"], true),
    ("daemon", 100, &[], false),
    ("ensemble", 150, &[], false),
];

pub fn all() -> impl Iterator<Item = Level> {
    let ported = ALL.iter().map(|definition| Level {
        name: definition.name,
        company: company(definition),
        asked_only: definition.asked_only,
        tests: Vec::new(),
        about: definition.about,
        kind: Kind::Scenario(*definition),
    });
    let scripts = SCRIPTS
        .iter()
        .map(|&(name, seconds, arguments, asked_only)| Level {
            name,
            company: Company::Any { seconds },
            asked_only,
            tests: Vec::new(),
            about: "a scenario",
            kind: Kind::Script(arguments),
        });
    ported.chain(scripts)
}

fn company(definition: &Definition) -> Company {
    if definition.alone {
        Company::Alone
    } else {
        Company::Any {
            seconds: definition.seconds,
        }
    }
}

pub fn known_tests(definition: &Definition) -> Known {
    if definition.parts.is_empty() {
        return Known::Nothing;
    }
    Known::Anything
}

pub fn run(
    definition: &Definition,
    environment: &Environment,
    parts: &[String],
    log: &Log,
) -> Result<Tests, Error> {
    let directory = environment.work().join(format!("box-{}", definition.name));
    let variables = [("EXPANSE_FAULT_FILE", directory.join("fault/at"))];
    let wanted = Wanted {
        level: definition.name,
        nodes: 3,
        coordination: definition.coordination,
        variables: if definition.faults { &variables } else { &[] },
    };
    on_cluster(&wanted, environment, log, |running| {
        let defaults = || definition.parts.iter().map(|part| (*part).to_owned());
        let options = Options {
            rounds: environment.rounds(),
            parts: if parts.is_empty() {
                defaults().collect()
            } else {
                parts.to_vec()
            },
        };
        let cluster = Cluster::new(running.cluster.clone());
        let scenario = Scenario::new(cluster, options, Box::new(log.file()?));
        if let ended @ Err(_) = (definition.run)(&scenario) {
            scenario.check("it came to its end", ended);
        }
        let tally = scenario.tally();
        Ok(Tests {
            passed: tally.passed,
            failed: tally.failed,
        })
    })
}

/// A script is given the PostgreSQL under test, the directory of the cluster, its first port, and its arguments.
pub fn script(
    level: &str,
    arguments: &[&str],
    environment: &Environment,
    log: &Log,
) -> Result<Tests, Error> {
    let fault = environment.work().join(format!("box-{level}/fault/at"));
    let script = level.strip_suffix("-all").unwrap_or(level);
    let faults = script == "killsteps";
    let variables = [("EXPANSE_FAULT_FILE", fault.clone())];
    let wanted = Wanted {
        level,
        nodes: 3,
        coordination: if level == "ensemble" {
            "ensemble"
        } else {
            "dir"
        },
        variables: if faults { &variables } else { &[] },
    };
    on_cluster(&wanted, environment, log, |running| {
        let mut command = Command::new(format!("regress/scenarios/{script}.sh"));
        command
            .arg(environment.pg_box())
            .arg(running.directory())
            .arg(running.port().to_string())
            .args(arguments);
        if faults {
            command.env("EXPANSE_FAULT_FILE", &fault);
        }
        if let ("ensemble", Some(rounds)) = (level, environment.rounds()) {
            command.arg(rounds.to_string());
        }
        let succeeded = environment.run(&mut command, log)?;
        Ok(Tests::of_program(succeeded, &log.text()))
    })
}
