//! Schema changes under load: transactions on several nodes, from two of them.

use std::fs;
use std::time::Duration;

use super::nothing_left;
use crate::kit::{let_pass, until, Failure, Outcome, Pgbench, Scenario};

const TRANSFER: &str = r"\set x random(1, 3000)
\set y random(1, 3000)
BEGIN;
UPDATE a SET v = v + 1 WHERE k = least(:x, :y);
UPDATE a SET v = v - 1 WHERE k = greatest(:x, :y);
COMMIT;
";

const CHANGES: [&str; 9] = [
    "ALTER TABLE a ADD COLUMN c int",
    "CREATE INDEX av ON a (v)",
    "ALTER TABLE a ADD CHECK (v > -100000)",
    "ALTER TABLE a RENAME c TO d",
    "REINDEX TABLE a",
    "CREATE INDEX CONCURRENTLY aw ON a (v)",
    "DROP INDEX av",
    "DROP INDEX CONCURRENTLY aw",
    "BEGIN; ALTER TABLE a ADD COLUMN e int; ALTER TABLE a DROP COLUMN d; COMMIT",
];

pub fn run(scenario: &Scenario) -> Outcome {
    let (cluster, n1) = (&scenario.cluster, scenario.cluster.node(1));
    n1.run(&[
        "CREATE TABLE a (k int PRIMARY KEY, v int NOT NULL)",
        "SELECT cluster_distribute_table('a', 'k')",
        "INSERT INTO a SELECT i, 0 FROM generate_series(1, 3000) i",
    ])?;
    let script = cluster.file("transfer.sql");
    fs::write(&script, TRANSFER).map_err(Failure::io("writing transfer.sql"))?;
    let mut loads = Vec::new();
    for number in [2, 3] {
        let arguments = ["-c", "3", "-T", "600", "-P", "1"];
        let (node, name) = (cluster.node(number), format!("load{number}"));
        loads.push(Pgbench::start(cluster, &node, &name, &script, &arguments)?);
    }
    let begun = || Ok(loads.iter().all(|load| load.said().contains("progress")));
    scenario.check("there is a load", until("pgbench tells of progress", begun));
    for change in CHANGES {
        scenario.check(change, n1.ask(change));
    }
    // Its last words come once a second.
    let_pass(Duration::from_millis(1500));
    let mut said = String::new();
    for load in loads {
        said.push_str(&load.stop()?);
    }
    scenario.check("no transaction failed", none_failed(&said));
    scenario.check("the load is over", cluster.until_no_pgbench());
    scenario.equal("the sum is right", n1.ask("SELECT sum(v) FROM a"), "0");
    scenario.check("nothing is left of it", nothing_left(scenario));
    Ok(())
}

/// No error, and no line of progress that tells of failed transactions.
fn none_failed(said: &str) -> Outcome {
    let tells_of_failures = |line: &str| {
        let failed = line.find(" failed").map(|at| &line[..at]);
        let number = failed.and_then(|before| before.rsplit(' ').next());
        number.is_some_and(|number| number.parse::<u64>().is_ok_and(|number| number > 0))
    };
    let failures: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("ERROR") || tells_of_failures(line))
        .collect();
    if failures.is_empty() {
        return Ok(());
    }
    Err(Failure::Wrong(failures.join("\n")))
}
