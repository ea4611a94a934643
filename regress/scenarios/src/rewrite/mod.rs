//! Tables get another distribution column, and a plain table becomes a distributed one, while they are written to and
//! read.
//!
//! Writers change a distributed table, one that begins as a plain one of the first node, and a plain one that stays so,
//! in the same transactions: all must always be the same.

mod clients;
mod refused;

use clients::Clients;

use crate::kit::{Failure, Outcome, Scenario, State};

/// Rows that are never deleted; the writers' new keys are beyond.
const FIXED: i64 = 10_000;

pub fn run(scenario: &Scenario) -> Outcome {
    let cluster = &scenario.cluster;
    filled(scenario)?;
    let mut clients = Clients::new(scenario)?;
    clients.on()?;
    scenario.check("another column", turned(scenario, &mut clients));
    scenario.check("a plain table", adopted(scenario));
    clients.off()?;
    scenario.check("nothing failed", clients.unharmed());
    scenario.check("the same rows", same(scenario, "turned"));
    scenario.check(
        "the same rows, once a plain table",
        same(scenario, "adopted"),
    );
    scenario.check("bad input", refused::run(scenario));
    let rows = cluster.node(1).number("SELECT count(*) FROM plain")?;
    scenario.check("every row once", cluster.all_there("turned", rows));
    scenario.check(
        "every row of the adopted table once",
        cluster.all_there("adopted", rows),
    );
    Ok(())
}

fn filled(scenario: &Scenario) -> Outcome {
    let rows = 2 * FIXED;
    scenario
        .cluster
        .node(1)
        .run(&[
            "CREATE TABLE turned (id bigint, customer int, n int NOT NULL DEFAULT 0, note text, PRIMARY KEY (id, customer))",
            "CREATE TABLE beside (id bigint PRIMARY KEY, n int)",
            "CREATE TABLE adopted (LIKE turned INCLUDING ALL)",
            "CREATE TABLE plain (LIKE turned INCLUDING ALL)",
            "SELECT cluster_distribute_table('turned', 'id'), cluster_distribute_table('beside', 'id', 'turned')",
            &format!("INSERT INTO plain SELECT i, i % 97, 0, repeat('x', 100) FROM generate_series(1, {rows}) i"),
            "INSERT INTO turned TABLE plain",
            "INSERT INTO adopted TABLE plain",
            &format!("INSERT INTO beside SELECT i, i FROM generate_series(1, {FIXED}) i"),
            "ANALYZE turned, adopted",
        ])
        .map(drop)
}

/// The table and the plain one have the same rows.
fn same(scenario: &Scenario, table: &str) -> Outcome {
    let differences = scenario.cluster.node(1).ask(&format!(
        "SELECT (SELECT count(*) FROM (TABLE {table} EXCEPT ALL TABLE plain) a),
            (SELECT count(*) FROM (TABLE plain EXCEPT ALL TABLE {table}) b)"
    ))?;
    if differences == "0|0" {
        return Ok(());
    }
    Err(Failure::Wrong(format!("rows that differ: {differences}")))
}

fn shown(scenario: &Scenario, table: &str, column: &str) -> Outcome<String> {
    scenario.cluster.node(1).ask(&format!(
        "SELECT {column} FROM cluster_tables WHERE relation = '{table}'::regclass"
    ))
}

fn column_of(scenario: &Scenario, table: &str) -> Outcome<String> {
    shown(scenario, table, "distribution_column")
}

fn group_of(scenario: &Scenario, table: &str) -> Outcome<String> {
    shown(scenario, table, "colocation_group")
}

fn rewrite(table: &str, arguments: &str) -> String {
    format!("cluster_rebind('{table}', strategy => 'rewrite', {arguments})")
}

/// To another column, back by a reversal, there again, and home to the old group.
fn turned(scenario: &Scenario, clients: &mut Clients) -> Outcome {
    let cluster = &scenario.cluster;
    let column = || column_of(scenario, "turned");
    let group = || group_of(scenario, "turned");
    let reversible = "distribution_column => 'customer', reversible_for => '1 hour'";
    let there = cluster.start(&rewrite("turned", reversible))?;
    there.until_phase("reversible")?;
    scenario.equal("by the new column", column(), "customer");
    clients.off()?;
    scenario.check("the same by the new column", same(scenario, "turned"));
    clients.on()?;
    there.reverse()?;
    there.until_state(State::Cancelled)?;
    scenario.equal("by the old column again", column(), "id");
    let old_group = group_of(scenario, "beside")?;
    scenario.equal("in the old group again", group(), &old_group);
    let again = cluster.carry_out(&rewrite("turned", "distribution_column => 'customer'"))?;
    scenario.check(
        "writes waited for no longer than allowed",
        again.shows("writes_waited_ms <= 500", "t"),
    );
    let home = "distribution_column => 'id', colocate_with => 'beside'";
    cluster.carry_out(&rewrite("turned", home))?;
    scenario.equal("beside the other table", group(), old_group);
    Ok(())
}

/// Killed in the middle, then cancelled, then done.
fn adopted(scenario: &Scenario) -> Outcome {
    let (cluster, n1) = (&scenario.cluster, scenario.cluster.node(1));
    let reversible = "distribution_column => 'customer', reversible_for => '1 hour'";
    let first = cluster.start(&rewrite("adopted", reversible))?;
    let second = rewrite("adopted", "distribution_column => 'id'");
    scenario.refused("one at a time", &n1, "XP021", &format!("SELECT {second}"));
    first.until_done("set_apart")?;
    first.runner()?.kill_sidecar()?;
    let reached = first.until_phase("reversible");
    cluster.restart()?;
    reached?;
    first.cancel()?;
    first.until_state(State::Cancelled)?;
    scenario.equal("a plain table again", column_of(scenario, "adopted"), "");
    scenario.equal(
        "and nowhere else",
        cluster.node(2).ask("SELECT to_regclass('adopted')"),
        "",
    );
    let with_others = "distribution_column => 'id', colocate_with => 'beside'";
    cluster.carry_out(&rewrite("adopted", with_others))?;
    scenario.equal("distributed", column_of(scenario, "adopted"), "id");
    scenario.equal(
        "beside the others",
        group_of(scenario, "adopted"),
        group_of(scenario, "beside")?,
    );
    Ok(())
}
