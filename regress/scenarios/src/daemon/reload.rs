//! Settings change at run time, by SIGHUP.

use std::fs;
use std::path::PathBuf;

use super::until;
use crate::kit::{Failure, Node, Outcome, Scenario, Signal};

/// The configuration of a node's sidecar, as it was.
struct Configuration<'a> {
    node: &'a Node,
    file: PathBuf,
    before: String,
}

impl<'a> Configuration<'a> {
    fn of(node: &'a Node) -> Outcome<Self> {
        let file = node.directory().join("expansed.toml");
        let before = fs::read_to_string(&file).map_err(Failure::io("expansed.toml"))?;
        Ok(Self { node, file, before })
    }

    /// Gives the sidecar its configuration with these lines at its end.
    fn reload(&self, lines: &str) -> Outcome {
        let text = format!("{}{lines}", self.before);
        fs::write(&self.file, text).map_err(Failure::io("expansed.toml"))?;
        self.node.signal_sidecar(Signal::Reload)
    }
}

pub fn run(scenario: &Scenario) -> Outcome {
    let n1 = scenario.cluster.node(1);
    let configuration = Configuration::of(&n1)?;
    let logged = |text: &str| {
        until(text, || {
            Ok(n1.sidecar_log().iter().any(|line| line.contains(text)))
        })
    };
    configuration
        .reload("[executor]\nmaintenance_sockets = 5\n[operations]\nlock_timeout_ms = 77\n")?;
    scenario.check("a limit changes at run time", until_limit(&n1, "5"));
    scenario.check(
        "what needs a restart is said",
        logged("field=\"operations.lock_timeout_ms\""),
    );
    configuration.reload("[executor]\nmaintenance_sockets = 0\n")?;
    scenario.check(
        "a bad configuration is refused",
        logged("configuration is not reloaded"),
    );
    scenario.check("and what is in use stays", limit_is(&n1, "5"));
    configuration.reload("")?;
    scenario.check("back again", until_limit(&n1, "8"));
    Ok(())
}

fn limit_is(node: &Node, limit: &str) -> Outcome<bool> {
    let query = "SELECT DISTINCT socket_limit FROM cluster_executor WHERE class = 'maintenance'";
    node.says(query, limit)
}

fn until_limit(node: &Node, limit: &str) -> Outcome {
    until(&format!("the limit is {limit}"), || limit_is(node, limit))
}
