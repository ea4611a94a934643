//! Nodes come together in one map, leave together, and one comes again.

use super::Shrinking;
use crate::kit::{until, Failure, Node, Outcome, State};

pub fn come_and_leave(shrinking: &Shrinking) -> Outcome {
    let (scenario, cluster) = (shrinking.scenario, &shrinking.scenario.cluster);
    scenario.check("two come in one map", two_come(shrinking));
    scenario.check("five share", shrinking.balanced(5));
    shrinking.whole("five");
    scenario.check("two leave", two_leave(shrinking));
    scenario.check("three share", shrinking.balanced(3));
    shrinking.whole("three");
    scenario.check("n4 is a plain server", is_plain(&cluster.node(4)));
    scenario.check("n5 is a plain server", is_plain(&cluster.node(5)));
    let again = format!(
        "cluster_expand('n4', '127.0.0.1', {}, rebind => true)",
        cluster.node(4).port
    );
    let came = cluster.carry_out(&again).map(drop);
    scenario.check("it comes again", came);
    scenario.check("all follow", shrinking.until_moved_to_current());
    shrinking.until_nothing_runs()?;
    let id = "SELECT node_id FROM cluster_nodes WHERE node_name = 'n4'";
    scenario.equal("its id is new", shrinking.first.ask(id), "6");
    shrinking.whole("again four");
    Ok(())
}

/// `expansectl` on the first node; what it printed.
fn expansectl(shrinking: &Shrinking, arguments: &[&str]) -> Outcome<String> {
    let cluster = &shrinking.scenario.cluster;
    cluster.expansectl(&shrinking.first, arguments)
}

/// The last line of what a dry run prints is the sum.
fn ends_with_sum(printed: &str) -> Outcome {
    let last = printed.lines().last().unwrap_or_default();
    if last.starts_with("all") {
        return Ok(());
    }
    Err(Failure::Wrong(format!("the last line is: {last}")))
}

fn two_come(shrinking: &Shrinking) -> Outcome {
    let (scenario, first) = (shrinking.scenario, &shrinking.first);
    let new = [
        scenario.cluster.add_server()?,
        scenario.cluster.add_server()?,
    ];
    let planned = first.number(&format!(
        r#"SELECT sum(row_estimate) FROM cluster_plan_expand('[{{"node_name": "{}"}}, {{"node_name": "{}"}}]'::jsonb)
            WHERE buckets IS NOT NULL"#,
        new[0].name, new[1].name
    ))?;
    let [a, b] = new.map(|node| format!("{}=127.0.0.1:{}", node.name, node.port));
    let dry = expansectl(
        shrinking,
        &["expand", "--dry-run", "--node", &a, "--node", &b],
    )?;
    ends_with_sum(&dry)?;
    let writer = shrinking.writer();
    expansectl(
        shrinking,
        &["expand", "--rebind", "--node", &a, "--node", &b],
    )?;
    shrinking.until_moved_to_current()?;
    shrinking.until_nothing_runs()?;
    scenario.check("no write failed while two came", writer.stop_unharmed());
    let maps = first.ask("SELECT count(*) FROM cluster_hash_maps");
    scenario.equal("one new map", maps, "1");
    let done =
        first.number("SELECT sum(rows_done) FROM cluster_operations WHERE kind = 'rebind'")?;
    scenario.check(
        format_args!("as many rows as planned: {done} of {planned}"),
        done * 10 <= planned * 11 && done * 11 >= planned * 10,
    );
    Ok(())
}

fn two_leave(shrinking: &Shrinking) -> Outcome {
    let writer = shrinking.writer();
    ends_with_sum(&expansectl(
        shrinking,
        &["shrink", "--dry-run", "n4", "n5"],
    )?)?;
    expansectl(shrinking, &["shrink", "n4", "n5"])?;
    let unharmed = writer.stop_unharmed();
    shrinking
        .scenario
        .check("no write failed while two left", unharmed);
    Ok(())
}

/// This server knows nothing of the cluster.
fn is_plain(node: &Node) -> Outcome<bool> {
    node.internal().says(
        "SELECT (SELECT count(*) FROM expanse.node) + (SELECT count(*) FROM expanse.local_node) +
            (SELECT count(*) FROM expanse.distributed_table) + (SELECT count(*) FROM pg_namespace WHERE nspname = 'app') +
            (SELECT count(*) FROM pg_prepared_xacts)",
        "0",
    )
}

/// A shrink is cancelled after it has begun.
pub fn undone(shrinking: &Shrinking) -> Outcome {
    let cluster = &shrinking.scenario.cluster;
    let shrink = cluster.start("cluster_shrink('n4')")?;
    shrink.until_done("begin")?;
    shrink.cancel()?;
    shrink.until_state(State::Cancelled)?;
    shrinking.until_nothing_runs()?;
    cluster.carry_out("cluster_rebind_all()").map(drop)
}

pub fn leader_leaves(shrinking: &mut Shrinking) -> Outcome {
    let (scenario, cluster) = (shrinking.scenario, &shrinking.scenario.cluster);
    let leads = "SELECT node_name FROM cluster_nodes WHERE leader";
    let leader = cluster.named(&shrinking.first.ask(leads)?)?;
    if leader.name == shrinking.first.name {
        shrinking.first = cluster.node(2);
    }
    let first = &shrinking.first;
    let shrink = cluster.start_on(first, &format!("cluster_shrink('{}')", leader.name))?;
    let nodes = cluster.first_nodes();
    until("the leader has left", || {
        Ok(shrink.any_shows(&nodes, "state", "succeeded"))
    })?;
    let there = format!(
        "SELECT count(*) FROM cluster_nodes WHERE node_name = '{}'",
        leader.name
    );
    scenario.equal("the leader has left", first.ask(&there), "0");
    until("it is a plain server", || is_plain(&leader))?;
    own_is_refused(shrinking, &leader)
}

/// What a user has made there meanwhile would go with an expansion that is undone.
fn own_is_refused(shrinking: &Shrinking, left: &Node) -> Outcome {
    let server = left.internal();
    server.ask("CREATE FUNCTION mine() RETURNS int LANGUAGE sql RETURN 1")?;
    let expand = format!(
        "SELECT cluster_expand('{}', '127.0.0.1', {})",
        left.name, left.port
    );
    let name = "a server with something of its own";
    shrinking
        .scenario
        .refused(name, &shrinking.first, "XP010", &expand);
    server.ask("DROP FUNCTION mine()").map(drop)
}
