//! Transactions on several nodes wait for each other, and one gives way; readers see them whole.
//!
//! Rounds of two transactions that lock two rows of different nodes in opposite order, asked at different nodes: one
//! commits, the other (the younger) fails with SQLSTATE 40P01, and neither waits for long. A session that waits for a
//! row that gets another distribution key is told so (40001). Then writers change a distributed, a replicated and a
//! plain table together, and a reader of all three sees each of these transactions entirely or not at all.

mod moved;
mod whole;

use std::time::{Duration, Instant};

use crate::kit::{Node, Outcome, Scenario};

const LIMIT: Duration = Duration::from_secs(6);

pub fn run(scenario: &Scenario) -> Outcome {
    let [n1, n2, n3] = [1, 2, 3].map(|number| scenario.cluster.node(number));
    n1.run(&[
        "CREATE TABLE d (k int PRIMARY KEY, v int NOT NULL)",
        "SELECT cluster_distribute_table('d', 'k')",
        "INSERT INTO d SELECT i, 0 FROM generate_series(1, 50) i",
    ])?;
    let (one, two, three) = (key_of(&n1, "n1")?, key_of(&n1, "n2")?, key_of(&n1, "n3")?);
    // Both rows are on other nodes than the older one's; both wait on a node of their own; both asked at one node.
    round(scenario, &n1, &n3, [&two, &three])?;
    round(scenario, &n1, &n2, [&one, &two])?;
    round(scenario, &n3, &n3, [&one, &two])?;
    scenario.equal(
        "only the older ones have written",
        n1.ask("SELECT sum(v) FROM d"),
        "6",
    );
    moved::run(scenario, &[one, two]);
    whole::run(scenario);
    Ok(())
}

fn key_of(node: &Node, owner: &str) -> Outcome<String> {
    node.ask(&format!(
        "SELECT min(k) FROM d WHERE cluster_owner('d', k) = '{owner}'"
    ))
}

fn round(scenario: &Scenario, at_older: &Node, at_younger: &Node, keys: [&str; 2]) -> Outcome {
    let add_one = |key: &str| format!("UPDATE d SET v = v + 1 WHERE k = {key}");
    let (older, younger) = (at_older.session()?, at_younger.session()?);
    let begun = |key: &str| ["BEGIN".to_owned(), add_one(key)];
    let lock = |session: &crate::kit::Session, key: &str| {
        let [begin, update] = begun(key);
        session.run_each(&[&begin, &update])
    };
    scenario.check("the older transaction locks its row", lock(&older, keys[0]));
    scenario.check("the younger one locks its own", lock(&younger, keys[1]));
    let begin = Instant::now();
    let waits = older.send(&add_one(keys[1]));
    let fails = younger.send(&add_one(keys[0]));
    let failed = fails.wait();
    let told = failed.as_ref().err().and_then(|error| error.sqlstate()) == Some("40P01");
    if !told {
        scenario.note(format_args!("the younger one: {failed:?}"));
    }
    // Like a client that gives up at the first error; its locks go with the session.
    younger.close()?;
    scenario.check(
        "the older transaction commits",
        waits.wait().and_then(|_| older.run("COMMIT")),
    );
    scenario.check("the younger one is told of a deadlock", told);
    scenario.check("neither waits for long", begin.elapsed() < LIMIT);
    older.close()
}

/// Does a session wait for a row, on any node?
fn a_session_waits(scenario: &Scenario) -> Outcome<bool> {
    let waiting = scenario.cluster.sum(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')",
    )?;
    Ok(waiting > 0)
}
