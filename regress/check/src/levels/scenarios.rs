//! The scenarios of the crate expanse-scenarios.

use expanse_scenarios::kit::{Cluster, Options, Scenario};
use expanse_scenarios::{Definition, ALL};

use super::clustered::{on_cluster, Wanted};
use super::{Company, Kind, Known, Level};
use crate::environment::{Environment, Log};
use crate::error::Error;
use crate::report::Tests;

pub fn all() -> impl Iterator<Item = Level> {
    ALL.iter().map(|definition| Level {
        name: definition.name,
        company: company(definition),
        asked_only: definition.asked_only,
        tests: Vec::new(),
        about: definition.about,
        kind: Kind::Scenario(*definition),
    })
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
