//! The sidecar that runs a rebind is killed at several of its steps.
//!
//! A new node joins, and a filled table is rebound to it; the leader is killed when the named step is done, and another
//! sidecar has to finish. Then one more rebind is cancelled in its copy. Afterwards every row is on exactly one node,
//! and no publication, subscription, slot or motion is left on any.

use crate::kit::{Failure, Outcome, Scenario, State};

const ROWS: i64 = 50_000;

pub fn run(scenario: &Scenario) -> Outcome {
    scenario.cluster.node(1).run(&[
        "CREATE TABLE takeover (id bigint PRIMARY KEY, note text)",
        "SELECT cluster_distribute_table('takeover', 'id')",
        &format!(
            "INSERT INTO takeover SELECT i, repeat('x', 100) FROM generate_series(1, {ROWS}) i"
        ),
    ])?;
    for step in ["begin_move", "copy"] {
        scenario.check(
            format_args!("killed after {step}"),
            killed_at(scenario, step),
        );
        scenario.check(format_args!("clean after {step}"), clean(scenario));
    }
    scenario.check("cancelled", cancelled(scenario));
    scenario.check("clean after cancel", clean(scenario));
    Ok(())
}

fn killed_at(scenario: &Scenario, step: &str) -> Outcome {
    scenario.cluster.grow()?;
    let rebind = scenario.cluster.start("cluster_rebind('takeover')")?;
    rebind.until_done(step)?;
    rebind.runner()?.kill_sidecar()?;
    rebind.until_state(State::Succeeded)?;
    scenario.cluster.restart()
}

fn cancelled(scenario: &Scenario) -> Outcome {
    scenario.cluster.grow()?;
    let rebind = scenario.cluster.start("cluster_rebind('takeover')")?;
    rebind.until_done("settle")?;
    rebind.cancel()?;
    rebind.until_state(State::Cancelled)
}

/// Every row on one node, nothing left on any.
fn clean(scenario: &Scenario) -> Outcome {
    let rows = scenario.cluster.sum("SELECT count(*) FROM takeover")?;
    let left = scenario.cluster.sum(
        "SELECT (SELECT count(*) FROM pg_subscription) + (SELECT count(*) FROM pg_publication) +
            (SELECT count(*) FROM pg_replication_slots) +
            (SELECT count(*) FROM expanse.colocation_group WHERE moving_to IS NOT NULL)",
    )?;
    if rows == ROWS && left == 0 {
        return Ok(());
    }
    Err(Failure::Wrong(format!(
        "{rows} rows of {ROWS}, {left} things left"
    )))
}
