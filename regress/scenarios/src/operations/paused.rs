//! A rebind is paused, survives its leader in that state, and goes on or is cancelled.

use crate::kit::{until, Node, Outcome, Scenario, State};

pub fn resumed(scenario: &Scenario) -> Outcome {
    let (cluster, n1) = (&scenario.cluster, scenario.cluster.node(1));
    cluster.grow()?;
    let rebind = cluster.start("cluster_rebind('moved')")?;
    rebind.until_done("copy")?;
    rebind.pause()?;
    // The copy may have been quicker; then it is paused in what comes after.
    rebind.until_state(State::Paused)?;
    let enabled = cluster.sum("SELECT count(*) FROM pg_subscription WHERE subenabled")?;
    scenario.check("streams of a paused operation stand still", enabled == 0);
    let again = "SELECT cluster_rebind('moved')";
    scenario.refused("a paused operation is still there", &n1, "XP024", again);
    let leader = rebind.runner()?;
    leader.kill_sidecar()?;
    until("another node leads", || another_leads(scenario, &leader))?;
    scenario.check("paused under another leader", rebind.is(State::Paused));
    cluster.restart()?;
    rebind.resume()?;
    rebind.until_state(State::Succeeded)?;
    for (name, function) in [
        ("finished: not paused", "cluster_pause"),
        ("finished: not resumed", "cluster_resume"),
        ("finished: not cancelled", "cluster_cancel"),
    ] {
        let call = format!("SELECT {function}({})", rebind.id);
        scenario.refused(name, &n1, "XP130", &call);
    }
    scenario.refused("unknown", &n1, "XP023", "SELECT cluster_pause(4711)");
    let in_transaction = "BEGIN; SELECT cluster_pause(1)";
    scenario.refused("in a transaction", &n1, "25001", in_transaction);
    Ok(())
}

/// As any node sees it.
fn another_leads(scenario: &Scenario, before: &Node) -> Outcome<bool> {
    let leads = |node: &Node| {
        let leader = node.ask("SELECT node_name FROM cluster_nodes WHERE leader");
        leader.is_ok_and(|name| !name.is_empty() && name != before.name)
    };
    Ok(scenario.cluster.nodes()?.iter().any(leads))
}

pub fn cancelled(scenario: &Scenario) -> Outcome {
    scenario.cluster.grow()?;
    let rebind = scenario.cluster.start("cluster_rebind('moved')")?;
    rebind.until_done("settle")?;
    rebind.pause()?;
    rebind.until_state(State::Paused)?;
    rebind.cancel()?;
    rebind.until_state(State::Cancelled)
}
