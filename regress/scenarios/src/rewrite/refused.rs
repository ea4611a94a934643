//! Bad input, and tables that cannot be moved the other way.

use super::rewrite;
use crate::kit::{Outcome, Scenario, State};

pub fn run(scenario: &Scenario) -> Outcome {
    let (cluster, n1) = (&scenario.cluster, scenario.cluster.node(1));
    let rewrites = [
        (
            "no such column",
            "XP013",
            "turned",
            "distribution_column => 'nothing'",
        ),
        (
            "a key without it",
            "XP014",
            "turned",
            "distribution_column => 'note'",
        ),
        (
            "another type beside",
            "XP019",
            "turned",
            "distribution_column => 'customer', colocate_with => 'beside'",
        ),
    ];
    for (name, sqlstate, table, arguments) in rewrites {
        let call = format!("SELECT {}", rewrite(table, arguments));
        scenario.refused(name, &n1, sqlstate, &call);
    }
    let calls = [
        (
            "no column for a plain table",
            "cluster_rebind('plain', strategy => 'rewrite')",
        ),
        ("no such strategy", "cluster_rebind('turned', 'guess')"),
        (
            "the other strategy",
            "cluster_rebind('turned', distribution_column => 'customer')",
        ),
    ];
    for (name, call) in calls {
        scenario.refused(name, &n1, "XP025", &format!("SELECT {call}"));
    }
    n1.run(&[
        "CREATE TABLE holes (a int, b int)",
        "INSERT INTO holes VALUES (1, NULL)",
        "CREATE TABLE heap (a int, b int)",
        "SELECT cluster_distribute_table('heap', 'a')",
        "ALTER TABLE heap REPLICA IDENTITY NOTHING",
        "INSERT INTO heap SELECT i % 10, i % 3 FROM generate_series(1, 1000) i",
    ])?;
    let holes = cluster.start(&rewrite("holes", "distribution_column => 'b'"))?;
    holes.until_state(State::Failed)?;
    scenario.check("a null", holes.shows("error_sqlstate", "XP016"));
    scenario.equal(
        "the table is as it was",
        n1.ask("SELECT attnotnull FROM pg_attribute WHERE attrelid = 'holes'::regclass AND attname = 'b'"),
        "f",
    );
    let by_identity = "SELECT cluster_rebind('heap')";
    scenario.refused("no identity and strategy move", &n1, "XP020", by_identity);
    cluster.carry_out(&rewrite("heap", "distribution_column => 'b'"))?;
    scenario.check(
        "rows that are the same are all there",
        cluster.all_there("heap", 1000),
    );
    scenario.equal(
        "no identity, as before",
        n1.ask("SELECT relreplident FROM pg_class WHERE oid = 'heap'::regclass"),
        "n",
    );
    Ok(())
}
