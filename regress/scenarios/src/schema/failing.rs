//! A build fails on one node, is cancelled, and loses its session.

use super::{hold, nothing_left, on_all, release, runs, state_of};
use crate::kit::{until, Outcome, Scenario, Session, LEFT_OVER};

const OTHERS_BUILD: &str = "REINDEX INDEX CONCURRENTLY";

pub fn run(scenario: &Scenario, two: &str) -> Outcome {
    duplicate(scenario, two)?;
    let [n2, n3] = [2, 3].map(|number| scenario.cluster.node(number));
    let holder = interrupted(scenario, "pg_cancel_backend")?;
    scenario.check("the other node has stopped", until_stopped(scenario));
    scenario.check("it waits no longer", release(holder));
    scenario.equal(
        "the index is not valid there",
        states(scenario, "rv"),
        "valid invalid",
    );
    let rebuild = "REINDEX INDEX CONCURRENTLY rv";
    scenario.check("it can be built from there", n2.ask(rebuild));
    scenario.check("and on the others", on_all(scenario, "rv", "valid"));
    scenario.check("and dropped", n2.ask("DROP INDEX rv"));
    let holder = interrupted(scenario, "pg_terminate_backend")?;
    scenario.check("it waits no longer", release(holder));
    scenario.check("the other node comes to an end", until_stopped(scenario));
    scenario.check("the index can be built", n3.ask(rebuild));
    scenario.check("nothing is left", nothing_left(scenario));
    scenario.check("it is on all nodes", on_all(scenario, "rv", "valid"));
    Ok(())
}

/// On the first and the second node.
fn states(scenario: &Scenario, index: &str) -> Outcome<String> {
    let [n1, n2] = [1, 2].map(|number| scenario.cluster.node(number));
    Ok(format!(
        "{} {}",
        state_of(&n1, index)?,
        state_of(&n2, index)?
    ))
}

/// Rows of the second node are not unique.
fn duplicate(scenario: &Scenario, two: &str) -> Outcome {
    let [n1, n2, n3] = [1, 2, 3].map(|number| scenario.cluster.node(number));
    n1.ask(&format!("INSERT INTO d VALUES ({two}, 0)"))?;
    scenario.refused_saying(
        "the node is named",
        &n1,
        "while executing on node \"n2\"",
        "CREATE UNIQUE INDEX CONCURRENTLY du ON d (k) WHERE v >= 0",
    );
    n3.ask("DROP INDEX CONCURRENTLY du")?;
    scenario.refused_saying(
        "and what can be done",
        &n1,
        "REINDEX INDEX CONCURRENTLY public.du builds it",
        "CREATE UNIQUE INDEX CONCURRENTLY du ON d (k)",
    );
    scenario.equal(
        "it is valid where it was built",
        states(scenario, "du"),
        "valid invalid",
    );
    let rebuild = "REINDEX INDEX CONCURRENTLY du";
    scenario.refused(
        "a build that fails again leaves nothing more",
        &n1,
        "23505",
        rebuild,
    );
    scenario.equal("only the index", n2.internal().ask(LEFT_OVER), "1");
    n1.ask(&format!("DELETE FROM d WHERE k = {two}"))?;
    scenario.check("it can be built", n1.ask(rebuild));
    scenario.check("on all nodes", on_all(scenario, "du", "valid"));
    scenario.check(
        "and rebuilt with its table",
        n3.ask("REINDEX TABLE CONCURRENTLY d"),
    );
    scenario.check("nothing is left", nothing_left(scenario));
    scenario.check(
        "and dropped from another node",
        n3.ask("DROP INDEX CONCURRENTLY du"),
    );
    Ok(())
}

/// A build is ended by that function while it waits for another session's snapshot on another node; that session.
fn interrupted(scenario: &Scenario, function: &str) -> Outcome<Session> {
    let [n1, n2] = [1, 2].map(|number| scenario.cluster.node(number));
    let holder = hold(&n2, "REPEATABLE READ", &["TABLE pg_class LIMIT 1"]);
    scenario.check("a snapshot is held", holder.is_ok());
    let holder = holder?;
    let creating = n1.begin("CREATE INDEX CONCURRENTLY rv ON r (v)")?;
    scenario.check(
        "the other node builds",
        until("the other node builds", || runs(&n2, OTHERS_BUILD)),
    );
    scenario.check(
        function,
        n1.ask(&format!(
            "SELECT {function}(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY rv%'"
        )),
    );
    if let Ok(said) = creating.wait() {
        scenario.note(format_args!("the build ended well: {said}"));
    }
    Ok(holder)
}

fn until_stopped(scenario: &Scenario) -> Outcome {
    let n2 = scenario.cluster.node(2);
    until("the other node builds no more", || {
        Ok(!runs(&n2, OTHERS_BUILD)?)
    })
}
