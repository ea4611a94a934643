//! Nodes that come have all storages, and nodes that leave none.

use std::fs;
use std::time::Duration;

use super::{lies, Storages};
use crate::kit::{until_within, Failure, Operation, Outcome, Signal, State};

const GROUP: [&str; 2] = ["app.item", "app.entry"];
/// How long a sidecar that must not lead is watched for saying so.
const ELECTED: Duration = Duration::from_secs(3);

pub fn joined(storages: &Storages) -> Outcome {
    let cluster = &storages.scenario.cluster;
    cluster.grow()?;
    lies::has_storage(storages, "slow")?;
    let may_create = "SELECT has_tablespace_privilege('app_owner', 'slow', 'CREATE')";
    if !cluster.all_say(may_create, "t")? {
        return Err(Failure::wrong("the role may not use slow on every node"));
    }
    lies::lies(storages, "slow", &GROUP)?;
    lies::lies(storages, "pg_default", &["app.other", "app.kind"])?;
    cluster.carry_out("cluster_rebind_all()")?;
    lies::lies(storages, "slow", &GROUP)
}

pub fn left(storages: &Storages) -> Outcome {
    let (scenario, cluster) = (storages.scenario, &storages.scenario.cluster);
    let shrink = cluster.carry_out("cluster_shrink('n4')")?;
    scenario.check(
        "the node that has left does nothing for the others",
        next_in_line(storages, &shrink),
    );
    let tablespaces = "SELECT count(*) FROM pg_tablespace WHERE spcname = 'slow'";
    let left = cluster.node(4).internal().number(tablespaces)?;
    let directory = storages.disks.join("n4/slow");
    if left == 0 && !directory.exists() {
        return Ok(());
    }
    Err(Failure::wrong("the node that has left still has slow"))
}

/// The shrink has just ended. Of all sidecars only that of n4 is left to lead: its server has no say any more.
fn next_in_line(storages: &Storages, shrink: &Operation) -> Outcome {
    let cluster = &storages.scenario.cluster;
    let leader = shrink.runner()?;
    let other = if leader.name == "n2" { 1 } else { 2 };
    leader.signal_sidecar(Signal::Stop)?;
    let add = storages.add("late", "{node}/late");
    let late = cluster.start_on(&cluster.node(other), &add)?;
    for node in cluster.first_nodes() {
        node.kill_sidecar()?;
    }
    let says_so = |line: &String| line.contains("elected, but cannot lead");
    let elected = until_within(ELECTED, "n4 is elected", || {
        Ok(cluster.node(4).sidecar_log().iter().any(says_so))
    });
    if let Err(late) = elected {
        storages.scenario.note(late);
    }
    cluster.restart()?;
    late.until_state(State::Succeeded)?;
    lies::has_storage(storages, "late")?;
    storages.carry_out("cluster_drop_storage('late')")
}

/// No directory for n4: the expansion is undone, and leaves nothing there.
pub fn taken_back(storages: &Storages) -> Outcome {
    let cluster = &storages.scenario.cluster;
    fs::remove_dir(storages.disks.join("n4")).map_err(Failure::io("removing a directory"))?;
    let node = cluster.node(4);
    let expand = cluster.start(&format!("cluster_expand('n4', '127.0.0.1', {})", node.port))?;
    expand.until_state(State::Failed)?;
    let extensions = "SELECT count(*) FROM pg_extension WHERE extname = 'expanse'";
    if node.internal().says(extensions, "0")? {
        return Ok(());
    }
    Err(Failure::wrong("the extension is still there"))
}
