//! What tables do while operations are about: join a group that moves, go back to one node, wait for a decision.

use super::ROWS;
use crate::kit::{Outcome, Scenario, State};

/// A table joins the group after its rebind has been planned: by a transaction that the plan did not see.
pub fn joined_late(scenario: &Scenario) -> Outcome {
    let (cluster, n1) = (&scenario.cluster, scenario.cluster.node(1));
    n1.run(&[
        "CREATE TABLE first (id int PRIMARY KEY)",
        "SELECT cluster_distribute_table('first', 'id')",
        "INSERT INTO first SELECT generate_series(1, 2000)",
        "CREATE TABLE late (id int PRIMARY KEY, note text)",
        &format!("INSERT INTO late SELECT i, 'late' FROM generate_series(1, {ROWS}) i"),
    ])?;
    cluster.grow()?;
    let joins = n1.session()?;
    joins.run_each(&[
        "BEGIN",
        "SELECT cluster_distribute_table('late', 'id', colocate_with => 'first')",
    ])?;
    let rebind = cluster.start("cluster_rebind('first')")?;
    rebind.until_done("plan")?;
    joins.run("COMMIT")?;
    joins.close()?;
    rebind.until_state(State::Succeeded)?;
    let again = format!("planned again operation={}", rebind.id);
    scenario.check("it was planned again", cluster.logged(&[&again]));
    scenario.equal(
        "both follow",
        n1.ask(
            "SELECT count(DISTINCT hash_map_version) FROM cluster_tables
             WHERE relation IN ('first'::regclass, 'late'::regclass)",
        ),
        "1",
    );
    scenario.check("rows of the first", cluster.all_there("first", 2000));
    scenario.check("rows of the late one", cluster.all_there("late", ROWS));
    n1.ask("DROP TABLE first, late").map(drop)
}

pub fn localized(scenario: &Scenario) -> Outcome {
    let [n1, n2] = [1, 2].map(|number| scenario.cluster.node(number));
    let content = "SELECT md5(string_agg(b::text, chr(10) ORDER BY key)) FROM back b";
    let localize = "SELECT cluster_localize_table('back')";
    n1.run(&[
        "CREATE TABLE back (id bigint GENERATED ALWAYS AS IDENTITY, key int PRIMARY KEY, note text)",
        "SELECT cluster_distribute_table('back', 'key')",
        "INSERT INTO back (key, note) SELECT i, 'row ' || i FROM generate_series(1, 5000) i",
    ])?;
    let before = n1.ask(content)?;
    n1.ask(localize)?;
    scenario.equal("all rows are here", n1.internal().ask(content), before);
    scenario.equal(
        "the others have it no more",
        n2.internal().ask("SELECT to_regclass('back')"),
        "",
    );
    scenario.equal(
        "it is a plain table",
        n1.ask("SELECT count(*) FROM cluster_tables WHERE relation = 'back'::regclass"),
        "0",
    );
    scenario.check(
        "ids go on",
        n1.run(&[
            "INSERT INTO back (key) VALUES (0)",
            "SELECT 1 / (max(id) FILTER (WHERE key = 0) > max(id) FILTER (WHERE key <> 0))::int FROM back",
        ]),
    );
    scenario.refused("not twice", &n1, "XP018", localize);
    scenario.check(
        "it can be distributed again",
        n1.ask("SELECT cluster_distribute_table('back', 'key')"),
    );
    scenario.equal(
        "with all its rows",
        n1.ask("SELECT count(*) FROM back"),
        "5001",
    );
    Ok(())
}

/// A write of a replicated table is prepared, its coordinator gone, when a node is to become active.
pub fn undecided(scenario: &Scenario) -> Outcome {
    let (cluster, n1) = (&scenario.cluster, scenario.cluster.node(1));
    n1.run(&[
        "CREATE TABLE kind (id int PRIMARY KEY, name text)",
        "SELECT cluster_replicate_table('kind')",
        "INSERT INTO kind VALUES (1, 'old'), (2, 'old')",
    ])?;
    let new = cluster.add_server()?;
    let holder = n1.session()?;
    holder.run_each(&["BEGIN", "LOCK TABLE expanse.gate_0 IN ROW EXCLUSIVE MODE"])?;
    let expand = cluster.start(&format!(
        "cluster_expand('{}', '127.0.0.1', {})",
        new.name, new.port
    ))?;
    expand.until_done("copy_replicated")?;
    let mut others = cluster.nodes()?;
    others.retain(|node| node.name != new.name);
    for node in &others {
        node.internal()
            .ask("BEGIN; UPDATE kind SET name = 'new' WHERE id = 1; PREPARE TRANSACTION 'held'")?;
    }
    holder.run("COMMIT")?;
    holder.close()?;
    scenario.check(
        "it waits for the write",
        expand.until_shows("phase ~ 'prepared and not decided'", "t"),
    );
    for node in &others {
        node.internal().ask("COMMIT PREPARED 'held'")?;
    }
    expand.until_state(State::Succeeded)?;
    scenario.equal(
        "and has it",
        new.internal()
            .ask("SELECT string_agg(name, ' ' ORDER BY id) FROM kind"),
        "new old",
    );
    n1.ask("DROP TABLE kind").map(drop)
}
