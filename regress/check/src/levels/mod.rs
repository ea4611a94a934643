//! The levels: what `make check` runs.
//!
//! * [`tools`]: format, lint, unit tests, and what needs no cluster
//! * [`sql`]: files that pg_regress runs, on one node and on a cluster; isolation specs
//! * [`programs`]: programs of their own that use a cluster
//! * [`scenarios`]: see the crate expanse-scenarios

mod clustered;
mod isolation;
mod programs;
mod scenarios;
mod sql;
mod tools;

use std::fmt;

use expanse_scenarios::Definition;

use crate::environment::{Environment, Log};
use crate::error::Error;
use crate::report::Tests;

/// What a level may run beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    /// It builds: one at a time, in order, beside levels that mostly wait.
    Cargo,
    /// It mostly waits, for about so many seconds: a few at a time.
    Any { seconds: u64 },
    /// It measures time: nothing runs beside it.
    Alone,
}

/// What a level runs.
#[derive(Clone, Copy)]
enum Kind {
    Tool(tools::Tool),
    Sql(sql::Suite),
    Program(programs::Program),
    Scenario(Definition),
}

/// A level, and which tests of it to run.
pub struct Level {
    pub name: &'static str,
    pub company: Company,
    /// Only when it is asked for by name: it takes hours.
    pub asked_only: bool,
    /// Single tests to run; all of them if empty.
    pub tests: Vec<String>,
    about: &'static str,
    kind: Kind,
}

impl Level {
    /// Adds a single test to those to run.
    ///
    /// # Errors
    /// [`Error::NoTests`], [`Error::NoTest`].
    pub fn select(&mut self, test: &str) -> Result<(), Error> {
        match self.known_tests() {
            Known::Nothing => {
                return Err(Error::NoTests {
                    level: self.name.into(),
                })
            }
            Known::Among(known) if !known.iter().any(|name| name == test) => {
                return Err(Error::NoTest {
                    level: self.name.into(),
                    test: test.into(),
                    known: known.join(" "),
                })
            }
            Known::Among(_) | Known::Anything => self.tests.push(test.to_owned()),
        }
        Ok(())
    }

    /// A name for several levels of a kind, which can be asked for as well.
    pub fn family(&self) -> &'static str {
        match self.kind {
            Kind::Tool(_) => "tools",
            Kind::Sql(_) => "sql",
            Kind::Program(_) => "programs",
            Kind::Scenario(_) => "scenarios",
        }
    }

    fn known_tests(&self) -> Known {
        match &self.kind {
            Kind::Tool(tool) => tool.known_tests(),
            Kind::Sql(suite) => Known::Among(suite.files()),
            Kind::Program(program) => program.known_tests(),
            Kind::Scenario(definition) => scenarios::known_tests(definition),
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// [`Error`] if it could not be run to its end.
    pub fn run(&self, environment: &Environment, log: &Log) -> Result<Tests, Error> {
        match &self.kind {
            Kind::Tool(tool) => tool.run(environment, &self.tests, log),
            Kind::Sql(suite) => suite.run(self.name, environment, &self.tests, log),
            Kind::Program(program) => program.run(self.name, environment, &self.tests, log),
            Kind::Scenario(definition) => scenarios::run(definition, environment, &self.tests, log),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:<11}{:<18}{}",
            self.family(),
            self.name,
            self.about
        )
    }
}

/// Which single tests a level has.
pub enum Known {
    Nothing,
    /// Whatever the program takes as a filter.
    Anything,
    Among(Vec<String>),
}

/// All levels; the order counts for those that build.
pub fn all() -> Vec<Level> {
    let mut levels = vec![
        level(
            "format",
            Company::Cargo,
            Kind::Tool(tools::Tool::Format),
            "rustfmt",
        ),
        level(
            "lint",
            Company::Cargo,
            Kind::Tool(tools::Tool::Lint),
            "clippy, warnings denied",
        ),
        level(
            "unit",
            Company::Cargo,
            Kind::Tool(tools::Tool::Unit),
            "cargo test; unit/NAME: tests with that name",
        ),
        waits(
            "symbols",
            1,
            Kind::Tool(tools::Tool::Symbols),
            "functions named in SQL and in the library",
        ),
        waits(
            "service",
            5,
            Kind::Tool(tools::Tool::Service),
            "the systemd unit",
        ),
        waits(
            "foreign",
            20,
            Kind::Tool(tools::Tool::Foreign),
            "other people's statements, byte for byte",
        ),
        waits(
            "upgrade",
            10,
            Kind::Tool(tools::Tool::Upgrade),
            "released versions of the SQL, upgraded, against a new one",
        ),
        waits(
            "single",
            15,
            Kind::Sql(sql::SINGLE),
            "SQL of one node; single/FILE",
        ),
        waits(
            "cluster",
            90,
            Kind::Sql(sql::CLUSTER),
            "SQL of a cluster; cluster/FILE",
        ),
        waits(
            "isolation",
            60,
            Kind::Sql(sql::ISOLATION),
            "sessions on three nodes, step by step; isolation/SPEC",
        ),
        waits(
            "differential",
            60,
            Kind::Program(programs::Program::Differential),
            "generated SQL against plain tables; differential/SEED",
        ),
        waits(
            "growth-dir",
            60,
            Kind::Program(programs::Program::Growth("dir")),
            "the demo in small",
        ),
        waits(
            "growth-zookeeper",
            60,
            Kind::Program(programs::Program::Growth("zookeeper")),
            "the demo in small, over ZooKeeper",
        ),
        level(
            "overload",
            Company::Alone,
            Kind::Program(programs::Program::Overload),
            "the executor pool under stress",
        ),
    ];
    levels.extend(scenarios::all());
    levels
}

fn level(name: &'static str, company: Company, kind: Kind, about: &'static str) -> Level {
    Level {
        name,
        company,
        asked_only: false,
        tests: Vec::new(),
        about,
        kind,
    }
}

fn waits(name: &'static str, seconds: u64, kind: Kind, about: &'static str) -> Level {
    level(name, Company::Any { seconds }, kind, about)
}
