//! Operations are paused, resumed and cancelled; hash maps age; tables join late and go back to one node.

mod maps;
mod paused;
mod tables;

use crate::kit::{Outcome, Scenario};

const ROWS: i64 = 50_000;

pub fn run(scenario: &Scenario) -> Outcome {
    let cluster = &scenario.cluster;
    cluster.node(1).run(&[
        "CREATE TABLE moved (id bigint PRIMARY KEY, note text)",
        "SELECT cluster_distribute_table('moved', 'id')",
        &format!("INSERT INTO moved SELECT i, repeat('x', 200) FROM generate_series(1, {ROWS}) i"),
        "ANALYZE moved",
    ])?;
    scenario.check("paused and resumed", paused::resumed(scenario));
    scenario.check("whole after a pause", cluster.all_there("moved", ROWS));
    scenario.check("cancelled while paused", paused::cancelled(scenario));
    scenario.check(
        "whole after a cancelled pause",
        cluster.all_there("moved", ROWS),
    );
    scenario.check(
        "a table joins while its group is planned",
        tables::joined_late(scenario),
    );
    scenario.check(
        "an empty group follows at once",
        maps::empty_group_follows(scenario),
    );
    scenario.check(
        "a version goes with its last table",
        maps::last_table_goes(scenario),
    );
    scenario.check("localized", tables::localized(scenario));
    scenario.check("a write that is not decided", tables::undecided(scenario));
    Ok(())
}
