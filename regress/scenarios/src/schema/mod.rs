//! The schema changes under load; indexes are made, rebuilt and dropped concurrently.
//!
//! Transactions change rows of several nodes all the time: each schema change is done, and none of them fails or waits for
//! long. A session writes a table for long: one that makes an index of it waits, and no other does, neither writers of the
//! table nor those that change the schema. A build fails on one node, is cancelled, and loses its session: the index is on
//! all nodes or on none, what is not valid can be built or dropped from anywhere, and nothing else is left. Two nodes make
//! indexes at the same time.

mod failing;
mod load;
mod long;
mod meanwhile;

use crate::kit::{until, Failure, Node, Outcome, Scenario, Session};

pub fn run(scenario: &Scenario) -> Outcome {
    let n1 = scenario.cluster.node(1);
    n1.run(&[
        "CREATE TABLE d (k int NOT NULL, v int)",
        "SELECT cluster_distribute_table('d', 'k')",
        "INSERT INTO d SELECT i, i FROM generate_series(1, 3000) i",
        "CREATE TABLE r (k int PRIMARY KEY, v int)",
        "SELECT cluster_replicate_table('r')",
    ])?;
    let key_of = |owner: &str| {
        n1.ask(&format!(
            "SELECT min(k) FROM d WHERE cluster_owner('d', k) = '{owner}'"
        ))
    };
    let (two, three) = (key_of("n2")?, key_of("n3")?);
    long::run(scenario, &two, &three)?;
    failing::run(scenario, &two)?;
    load::run(scenario)?;
    two_nodes_at_once(scenario)?;
    meanwhile::run(scenario)?;
    for index in ["r1", "r2", "r3", "e1", "e2", "e3"] {
        scenario.check(
            format_args!("{index} is there"),
            on_all(scenario, index, "valid"),
        );
    }
    for index in ["d1", "d2", "d3"] {
        scenario.check(
            format_args!("{index} is gone"),
            on_all(scenario, index, "none"),
        );
    }
    scenario.check("nothing is left", nothing_left(scenario));
    Ok(())
}

/// About two tables, and about one.
fn two_nodes_at_once(scenario: &Scenario) -> Outcome {
    for round in 1..=3 {
        scenario.check(
            format_args!("two tables, round {round}"),
            both(
                scenario,
                &format!("CREATE INDEX CONCURRENTLY d{round} ON d (v)"),
                &format!("CREATE INDEX CONCURRENTLY r{round} ON r (v)"),
            ),
        );
        scenario.check(
            format_args!("one table, round {round}"),
            both(
                scenario,
                &format!("CREATE INDEX CONCURRENTLY e{round} ON d (v)"),
                &format!("DROP INDEX CONCURRENTLY d{round}"),
            ),
        );
    }
    Ok(())
}

fn both(scenario: &Scenario, on_first: &str, on_second: &str) -> Outcome {
    let first = scenario.cluster.node(1).begin(on_first)?;
    let second = scenario.cluster.node(2).ask(on_second);
    first.wait()?;
    second.map(drop)
}

/// What a node has of an index: valid, invalid or none.
fn state_of(node: &Node, index: &str) -> Outcome<String> {
    node.internal().ask(&format!(
        "SELECT coalesce((SELECT CASE WHEN indisvalid AND indisready THEN 'valid' ELSE 'invalid' END
            FROM pg_index WHERE indexrelid = to_regclass('{index}')), 'none')"
    ))
}

/// Every node has that of an index.
fn on_all(scenario: &Scenario, index: &str, wanted: &str) -> Outcome {
    for node in scenario.cluster.nodes()? {
        let state = state_of(&node, index)?;
        if state != wanted {
            return Err(Failure::Wrong(format!(
                "{index} on {}: {state} instead of {wanted}",
                node.name
            )));
        }
    }
    Ok(())
}

/// No index that is not valid, and no prepared transaction, on any node; recovery may be at it.
fn nothing_left(scenario: &Scenario) -> Outcome {
    until("nothing is left", || Ok(scenario.cluster.left_over()? == 0))
}

/// Does a statement that begins so run on that node?
fn runs(node: &Node, beginning: &str) -> Outcome<bool> {
    let running = node.internal().number(&format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '{beginning}%'"
    ))?;
    Ok(running > 0)
}

/// A transaction that stays open until [`release`].
fn hold(node: &Node, level: &str, statements: &[&str]) -> Outcome<Session> {
    let session = node.session()?;
    session.run(&format!("BEGIN ISOLATION LEVEL {level}"))?;
    session.run_each(statements)?;
    Ok(session)
}

fn release(session: Session) -> Outcome {
    session.run("COMMIT")?;
    session.close()
}
