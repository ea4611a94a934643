//! A session writes, or reads, for long, while an index is made and dropped.

use std::time::Duration;

use super::{hold, on_all, release};
use crate::kit::{let_pass, Outcome, Scenario};

pub fn run(scenario: &Scenario, two: &str, three: &str) -> Outcome {
    made(scenario, two, three)?;
    dropped(scenario)
}

fn made(scenario: &Scenario, two: &str, three: &str) -> Outcome {
    let [n1, n3] = [1, 3].map(|number| scenario.cluster.node(number));
    let create = "CREATE INDEX CONCURRENTLY dv ON d (v)";
    let update = format!("UPDATE d SET v = v WHERE k = {two}");
    let holder = hold(&n1, "READ COMMITTED", &[&update]);
    let held = holder.is_ok();
    scenario.check("a long transaction writes", held);
    let holder = holder?;
    let impatient = n3.with("lock_timeout", "300ms");
    scenario.refused(
        "lock_timeout holds for the whole",
        &impatient,
        "55P03",
        create,
    );
    scenario.check("it leaves nothing", on_all(scenario, "dv", "none"));
    let mut creating = n3.begin(create)?;
    let_pass(Duration::from_secs(1));
    scenario.check("it waits", !creating.ended());
    for i in 0..10 {
        let wrote = n1.run(&[
            "SET lock_timeout = '5s'",
            &format!("UPDATE d SET v = v + 1 WHERE k = {three}"),
            &format!("INSERT INTO d VALUES ({}, 0)", 10_000 + i),
        ]);
        scenario.check("others write", wrote);
    }
    scenario.check(
        "others change the schema",
        n1.run(&[
            "SET lock_timeout = '10s'",
            "CREATE TABLE e (k int)",
            "SELECT cluster_distribute_table('e', 'k')",
        ]),
    );
    scenario.check("the long one can, too", release(holder));
    scenario.check("then the index is made", creating.wait());
    scenario.check("on all nodes", on_all(scenario, "dv", "valid"));
    Ok(())
}

fn dropped(scenario: &Scenario) -> Outcome {
    let [n1, n2] = [1, 2].map(|number| scenario.cluster.node(number));
    let holder = hold(&n2, "READ COMMITTED", &["SELECT count(*) FROM d"]);
    scenario.check("a long transaction reads", holder.is_ok());
    let holder = holder?;
    let mut dropping = n1.begin("DROP INDEX CONCURRENTLY dv")?;
    let_pass(Duration::from_millis(500));
    scenario.check("a drop waits for it", !dropping.ended());
    scenario.check(
        "others read meanwhile",
        n1.run(&["SET lock_timeout = '5s'", "SELECT count(*) FROM d"]),
    );
    scenario.check("it ends", release(holder));
    scenario.check("then the index is dropped", dropping.wait());
    scenario.check("from all nodes", on_all(scenario, "dv", "none"));
    Ok(())
}
