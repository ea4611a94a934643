//! What operators see of the sidecar, and what it costs.
//!
//! Health, metrics and page are asked for; settings are changed by SIGHUP; a server and a sidecar are ended, and every
//! node has to say why something does not happen, until they are back.

mod away;
mod http;
mod reload;

use std::time::Duration;

use crate::kit::{until_within, Failure, Node, Outcome, Scenario};

const PATIENCE: Duration = Duration::from_secs(40);

pub fn run(scenario: &Scenario) -> Outcome {
    scenario.check("nothing is blocked", until_nothing_blocked(scenario));
    http::run(scenario);
    reload::run(scenario)?;
    away::server(scenario);
    away::metadata(scenario);
    away::sidecar(scenario)?;
    scenario.check("started again", scenario.cluster.restart());
    scenario.check(
        "nothing is blocked at the end",
        until_nothing_blocked(scenario),
    );
    Ok(())
}

fn until(what: &str, condition: impl FnMut() -> Outcome<bool>) -> Outcome {
    until_within(PATIENCE, what, condition)
}

/// Why is a node blocked? As that node sees it.
fn blocked(at: &Node, node: &str, pattern: &str) -> Outcome<bool> {
    at.says(
        &format!(
            "SELECT count(*) > 0 FROM cluster_blocked WHERE node_name = '{node}' AND why LIKE '{pattern}' AND hint <> ''"
        ),
        "t",
    )
}

fn until_blocked(at: &Node, node: &str, pattern: &str) -> Outcome {
    let what = format!("{} says of {node}: {pattern}", at.name);
    until(&what, || blocked(at, node, pattern)).map_err(|late| {
        let said = at.ask("SELECT node_name, why, hint FROM cluster_blocked");
        let said = said.unwrap_or_else(|error| error.to_string());
        Failure::Wrong(format!("{late}; it says: {said}"))
    })
}

fn until_nothing_blocked(scenario: &Scenario) -> Outcome {
    until("nothing is blocked", || {
        for node in scenario.cluster.first_nodes() {
            let why = node.ask("SELECT node_name, why FROM cluster_blocked")?;
            if !why.is_empty() {
                return Err(Failure::Wrong(why));
            }
        }
        Ok(true)
    })
}
