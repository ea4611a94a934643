//! Files whose output is compared with what is expected, by PostgreSQL's own testers: SQL by pg_regress, isolation specs
//! by pg_isolation_regress.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::clustered::{on_cluster, Wanted};
use super::isolation;
use crate::environment::{Environment, Log};
use crate::error::Error;
use crate::report::Tests;

/// Files in a directory, and the runner of PostgreSQL for them.
#[derive(Clone, Copy)]
pub struct Suite {
    directory: &'static str,
    nodes: u16,
    tester: Tester,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tester {
    Regress,
    Isolation,
}

impl Tester {
    /// The program, below the directory of PostgreSQL's tests.
    fn program(self) -> &'static str {
        match self {
            Self::Regress => "regress/pg_regress",
            Self::Isolation => "isolation/pg_isolation_regress",
        }
    }

    /// Where the files are, and what they end with.
    fn files(self) -> (&'static str, &'static str) {
        match self {
            Self::Regress => ("sql", ".sql"),
            Self::Isolation => ("specs", ".spec"),
        }
    }
}

/// One node.
pub const SINGLE: Suite = Suite {
    directory: "regress/single",
    nodes: 1,
    tester: Tester::Regress,
};

/// A cluster of three nodes.
pub const CLUSTER: Suite = Suite {
    directory: "regress/cluster",
    nodes: 3,
    tester: Tester::Regress,
};

/// Sessions on three nodes, step by step: see `regress/isolation/README.md`.
pub const ISOLATION: Suite = Suite {
    directory: "regress/isolation",
    nodes: 3,
    tester: Tester::Isolation,
};

impl Suite {
    /// Names of the files, in order.
    pub fn files(&self) -> Vec<String> {
        let (directory, ending) = self.tester.files();
        let entries = fs::read_dir(source(self.directory).join(directory));
        let mut files: Vec<String> = entries
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                name.strip_suffix(ending).map(str::to_owned)
            })
            .collect();
        files.sort();
        files
    }

    pub fn run(
        &self,
        level: &str,
        environment: &Environment,
        tests: &[String],
        log: &Log,
    ) -> Result<Tests, Error> {
        let all = self.files();
        let tests = if tests.is_empty() { &all } else { tests };
        on_cluster(
            &Wanted::nodes(level, self.nodes),
            environment,
            log,
            |running| match self.tester {
                Tester::Regress => self.run_files(level, environment, running.port(), tests, log),
                Tester::Isolation => {
                    isolation::see_waits_of_all_nodes(running.port())?;
                    let nodes = (0..self.nodes).map(|index| running.port() + index);
                    let proxy = isolation::Proxy::start(nodes.collect())?;
                    self.run_files(level, environment, proxy.port, tests, log)
                }
            },
        )
    }

    fn run_files(
        &self,
        level: &str,
        environment: &Environment,
        port: u16,
        tests: &[String],
        log: &Log,
    ) -> Result<Tests, Error> {
        let output = environment.work().join(level);
        fs::create_dir_all(&output).map_err(Error::file(&output))?;
        let port = port.to_string();
        let mut command = Command::new(tester(self.tester.program(), environment)?);
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGUSER", "postgres")
            .env("EXPANSE_PORT", &port)
            // The proxy of isolation specs reads what a session begins with.
            .env("PGSSLMODE", "disable")
            .env("PGGSSENCMODE", "disable")
            .arg(format!(
                "--bindir={}",
                environment.pg_box().join("bin").display()
            ))
            .arg(format!("--inputdir={}", self.directory))
            .arg(format!("--outputdir={}", output.display()))
            .args(["--host=127.0.0.1", "--user=postgres", "--dbname=postgres"])
            .arg(format!("--port={port}"))
            .arg("--use-existing")
            .args(tests);
        if environment.run(&mut command, log)? {
            return Ok(Tests {
                passed: tests.len(),
                failed: 0,
            });
        }
        keep(environment, &output)?;
        // pg_regress leaves these when something differs, and says which file it was.
        let said = fs::read_to_string(output.join("regression.out")).unwrap_or_default();
        log.note(fs::read_to_string(output.join("regression.diffs")).unwrap_or_default());
        let count = |word: &str| said.lines().filter(|line| line.contains(word)).count();
        let (passed, failed) = (count("... ok"), count("FAILED"));
        Ok(Tests {
            passed,
            failed: failed.max(1),
        })
    }
}

/// A directory of this clone: levels run in its root, tests of this crate in the crate's.
fn source(directory: &str) -> PathBuf {
    if Path::new(directory).exists() {
        return directory.into();
    }
    Path::new("../..").join(directory)
}

/// A test program of the PostgreSQL under test.
fn tester(name: &str, environment: &Environment) -> Result<PathBuf, Error> {
    let program = environment.program("pg_config");
    let failed = |source| Error::Program {
        program: program.display().to_string(),
        source,
    };
    let said = Command::new(&program)
        .arg("--pgxs")
        .output()
        .map_err(failed)?;
    let makefile = PathBuf::from(String::from_utf8_lossy(&said.stdout).trim());
    // .../lib/pgxs/src/makefiles/pgxs.mk
    let tests = makefile
        .parent()
        .and_then(Path::parent)
        .unwrap_or(&makefile);
    Ok(tests.join("test").join(name))
}

fn keep(environment: &Environment, output: &Path) -> Result<(), Error> {
    let Some(directory) = environment.keep_results() else {
        return Ok(());
    };
    let results = output.join("results");
    fs::create_dir_all(directory).map_err(Error::file(directory))?;
    for entry in fs::read_dir(&results).map_err(Error::file(&results))? {
        let entry = entry.map_err(Error::file(&results))?;
        let to = directory.join(entry.file_name());
        fs::copy(entry.path(), &to).map_err(Error::file(to))?;
    }
    Ok(())
}
