//! A server is down, metadata differ, a schema change is in doubt, a sidecar is gone, or has no store.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::http::status_is;
use super::{blocked, until, until_blocked, until_nothing_blocked};
use crate::kit::{signal, Failure, Node, Outcome, Scenario, Signal};

fn until_status(node: &Node, path: &str, status: u16) -> Outcome {
    let what = format!("{path} of {} is {status}", node.name);
    until(&what, || status_is(node, path, status).map(|()| true))
}

/// A server is shut down and started again.
pub fn server(scenario: &Scenario) {
    let [n1, n2] = [1, 2].map(|number| scenario.cluster.node(number));
    let down = n2
        .signal_server(Signal::Interrupt)
        .and_then(|()| until_status(&n2, "/readyz", 503));
    scenario.check("a server that is down is not ready", down);
    scenario.check("others say so", until_blocked(&n1, "n2", "%status entry%"));
    scenario.check("its sidecar is healthy", status_is(&n2, "/healthz", 200));
    scenario.check("started again", scenario.cluster.restart());
    scenario.check("ready again", until_status(&n2, "/readyz", 200));
    let name = "nothing is blocked any more";
    scenario.check(name, until_nothing_blocked(scenario));
}

/// Does another node show a status of this one?
fn registered(scenario: &Scenario, node: &str, wanted: bool) -> Outcome<bool> {
    let query = format!("SELECT status IS NOT NULL FROM cluster_nodes WHERE node_name = '{node}'");
    let n3 = scenario.cluster.node(3);
    n3.says(&query, if wanted { "t" } else { "f" })
}

fn until_registered(scenario: &Scenario, node: &str, wanted: bool) -> Outcome {
    let what = format!("status of {node} is there: {wanted}");
    until(&what, || registered(scenario, node, wanted))
}

/// A node whose metadata differ, or are in doubt, is not ready.
pub fn metadata(scenario: &Scenario) {
    scenario.check("a node with other metadata is not ready", differs(scenario));
    scenario.check("metadata as before", other_metadata(scenario, 1));
    scenario.check("then it is", until_registered(scenario, "n2", true));
    scenario.check("nor one with a schema change in doubt", in_doubt(scenario));
    scenario.check("until that has ended", made_up_for(scenario));
    let name = "nothing is blocked again";
    scenario.check(name, until_nothing_blocked(scenario));
}

/// Metadata of n2 alone are changed.
fn other_metadata(scenario: &Scenario, weight: u32) -> Outcome<String> {
    let n2 = scenario.cluster.node(2).internal();
    n2.ask(&format!(
        "UPDATE expanse.node SET weight = {weight} WHERE node_name = 'n1'"
    ))
}

fn differs(scenario: &Scenario) -> Outcome {
    let n2 = scenario.cluster.node(2);
    n2.kill_sidecar()?;
    until_registered(scenario, "n2", false)?;
    other_metadata(scenario, 7)?;
    scenario.cluster.restart()?;
    until_blocked(&n2, "n2", "%catches up%differ%")?;
    if !registered(scenario, "n2", false)? {
        return Err(Failure::wrong("n2 has a status"));
    }
    status_is(&n2, "/readyz", 503)
}

/// The end of a schema change is kept from n2, which is started again meanwhile.
fn in_doubt(scenario: &Scenario) -> Outcome {
    let [n1, n2] = [1, 2].map(|number| scenario.cluster.node(number));
    n1.run(&[
        "CREATE TABLE changed (k int PRIMARY KEY)",
        "SELECT cluster_distribute_table('changed', 'k')",
    ])?;
    n1.signal_sidecar(Signal::Stop)?;
    let fails = n1.with("expanse.fault", "before_commit_prepared");
    if fails
        .ask("ALTER TABLE changed ADD COLUMN note text")
        .is_ok()
    {
        scenario.note("the schema change did not fail");
    }
    until("n1 answers", || n1.says("SELECT 1", "1"))?;
    n2.kill_server()?;
    scenario.cluster.restart()?;
    until_blocked(&n2, "n2", "%catches up: prepared transaction%")?;
    until_registered(scenario, "n2", false)
}

fn made_up_for(scenario: &Scenario) -> Outcome {
    let [n1, n2] = [1, 2].map(|number| scenario.cluster.node(number));
    n1.signal_sidecar(Signal::Continue)?;
    until_registered(scenario, "n2", true)?;
    let none = |query: &str| match n2.ask(query)?.as_str() {
        "0" => Ok(()),
        other => Err(Failure::Wrong(format!("{query}: {other}"))),
    };
    none("SELECT count(*) FROM pg_prepared_xacts")?;
    none("SELECT count(note) FROM changed")
}

/// A sidecar is gone; then it runs without a store, where what needs only the server works.
pub fn sidecar(scenario: &Scenario) -> Outcome {
    let [n1, n3] = [1, 3].map(|number| scenario.cluster.node(number));
    n3.kill_sidecar()?;
    let missed = until_blocked(&n1, "n3", "%status entry%");
    scenario.check("a sidecar that is gone is missed", missed);
    let own = until_blocked(&n3, "n3", "its sidecar has not said anything%");
    scenario.check("its own server says so", own);
    let mut alone = WithoutStore::start(scenario, &n3)?;
    let healthy = until_status(&n3, "/healthz", 200);
    scenario.check("a sidecar without a store is healthy", healthy);
    scenario.check("and its server ready", until_status(&n3, "/readyz", 200));
    let missing = until("n3 says what is missing", || {
        blocked(&n3, "n3", "%coordination store does not answer%")
    });
    scenario.check("and says what is missing", missing);
    scenario.check("and ends in order", alone.end());
    Ok(())
}

/// A sidecar that the box does not know of.
struct WithoutStore(Child);

impl WithoutStore {
    /// As the user of the servers.
    fn start(scenario: &Scenario, node: &Node) -> Outcome<Self> {
        let failed = || Failure::io("starting a sidecar without a store");
        let log = node.directory().join("expansed.log");
        let log = File::options().append(true).open(log).map_err(failed())?;
        let owner = fs::metadata(node.directory().join("data")).map_err(failed())?;
        let mut command = Command::new(scenario.cluster.program("expansed"));
        command
            .arg("--config")
            .arg(node.directory().join("expansed.toml"))
            .args(["--set", "coordination.url=zookeeper://127.0.0.1:1/none"])
            .stdin(Stdio::null())
            .stderr(log.try_clone().map_err(failed())?)
            .stdout(log);
        if owner.uid() != fs::metadata("/proc/self").map_err(failed())?.uid() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        Ok(Self(command.spawn().map_err(failed())?))
    }

    fn end(&mut self) -> Outcome {
        signal(self.0.id(), Signal::Terminate)?;
        until("it ends", || Ok(!matches!(self.0.try_wait(), Ok(None))))
    }
}

impl Drop for WithoutStore {
    fn drop(&mut self) {
        // It has ended already where the scenario has come so far.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
