//! Versions of the hash map go when no table is bound to them.

use crate::kit::{until, Outcome, Scenario};

/// The version is gone, and the journal says so once.
fn aged(scenario: &Scenario, version: i64) -> Outcome<bool> {
    scenario.cluster.node(1).says(
        &format!(
            "SELECT (SELECT count(*) FROM cluster_hash_maps WHERE hash_map_version = {version}),
                (SELECT count(*) FROM cluster_operations WHERE kind = 'drop_hash_map'
                    AND target = 'hash map version {version}')"
        ),
        "0|1",
    )
}

fn until_aged(scenario: &Scenario, version: i64) -> Outcome {
    until(&format!("version {version} is gone"), || {
        aged(scenario, version)
    })
}

pub fn empty_group_follows(scenario: &Scenario) -> Outcome {
    let (cluster, n1) = (&scenario.cluster, scenario.cluster.node(1));
    n1.run(&[
        "CREATE TABLE emptied (id text PRIMARY KEY)",
        "SELECT cluster_distribute_table('emptied', 'id')",
        "INSERT INTO emptied VALUES ('a'), ('b'), ('c')",
    ])?;
    let bound = "SELECT hash_map_version FROM cluster_tables WHERE relation = 'emptied'::regclass";
    let version = n1.number(bound)?;
    cluster.grow()?;
    n1.ask("DELETE FROM emptied")?;
    let rebind = cluster.carry_out("cluster_rebind('emptied')")?;
    let without_copy = format!("bound without a copy operation={}", rebind.id);
    scenario.check(
        "an empty group was bound without a copy",
        cluster.logged(&[&without_copy]),
    );
    scenario.check("it is on the current map", n1.number(bound)? > version);
    let followed = cluster.carry_out("cluster_rebind('moved')");
    scenario.check(
        "an unused version disappears and says so",
        followed.and_then(|_| until_aged(scenario, version)),
    );
    Ok(())
}

pub fn last_table_goes(scenario: &Scenario) -> Outcome {
    let n1 = scenario.cluster.node(1);
    let version = n1.number("SELECT hash_map_version FROM cluster_hash_maps WHERE current")?;
    n1.run(&[
        "CREATE TABLE last (id int PRIMARY KEY)",
        "SELECT cluster_distribute_table('last', 'id')",
    ])?;
    scenario.cluster.grow()?;
    let there =
        format!("SELECT count(*) FROM cluster_hash_maps WHERE hash_map_version = {version}");
    scenario.equal("a bound version stays", n1.ask(&there), "1");
    n1.ask("DROP TABLE last, emptied, moved")?;
    until_aged(scenario, version)
}
