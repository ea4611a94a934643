//! The coordination store fails while data is written and read.
//!
//! The cluster has an ensemble of three ZooKeeper servers. Each of them is killed, then each is stopped for a while, then
//! all are gone at once. All the time clients write and read at a fixed rate: no statement may fail or be slower; a
//! disturbance during which one was slower is tried again, because a machine does other things too, and what the store
//! slows down it always slows down. Each time the status on all nodes has to be whole again by itself.

mod traffic;

use std::time::Duration;

use traffic::Traffic;

use crate::kit::{let_pass, signal, until, Failure, Node, Outcome, Scenario, Signal};

const TRIES: usize = 3;
/// How long a server of the store is gone before the status is looked at.
const GONE: Duration = Duration::from_secs(3);
/// Longer than a session of the store.
const SILENT: Duration = Duration::from_secs(7);
const ALL_GONE: Duration = Duration::from_secs(10);
/// What traffic needs to come to its rate, or to show that it suffers.
const SETTLED: Duration = Duration::from_secs(2);

pub fn run(scenario: &Scenario) -> Outcome {
    let n1 = scenario.cluster.node(1);
    n1.run(&[
        "CREATE TABLE ensemble (id int PRIMARY KEY, hits int NOT NULL)",
        "SELECT cluster_distribute_table('ensemble', 'id')",
        "INSERT INTO ensemble SELECT i, 0 FROM generate_series(1, 1000) i",
    ])?;
    scenario.check("whole at the beginning", until_whole(scenario));
    let mut traffic = Traffic::start(scenario)?;
    let_pass(GONE);
    for _ in 0..scenario.options.rounds.unwrap_or(1) {
        for number in 1..=3 {
            let name = format!("server {number} killed");
            disturbed(scenario, &mut traffic, &name, || killed(scenario, number));
        }
        for number in 1..=3 {
            let name = format!("server {number} stopped");
            disturbed(scenario, &mut traffic, &name, || stopped(scenario, number));
        }
        disturbed(scenario, &mut traffic, "all servers gone", || {
            gone(scenario)
        });
    }
    scenario.check("no statement failed", traffic.stop());
    n1.ask("DROP TABLE ensemble").map(drop)
}

/// How traffic is during a disturbance.
fn disturbed(
    scenario: &Scenario,
    traffic: &mut Traffic,
    name: &str,
    disturbance: impl Fn() -> Outcome,
) {
    let mut last = Ok(());
    for _ in 0..TRIES {
        last = traffic.during(|| {
            disturbance()?;
            let_pass(SETTLED);
            Ok(())
        });
        match &last {
            Err(traffic::Harm::Slower(figures)) => scenario.note(format_args!("{name}: {figures}")),
            Err(traffic::Harm::Broken(_)) | Ok(()) => break,
        }
    }
    scenario.check(name, last.map_err(Failure::from));
}

/// Every node sees every node ready, a leader, and nothing blocked.
fn is_whole(node: &Node) -> Outcome<bool> {
    node.says(
        "SELECT count(*) FILTER (WHERE status = 'ready') || ' ' || count(*) FILTER (WHERE leader)
            || ' ' || (SELECT count(*) FROM cluster_blocked) FROM cluster_nodes",
        "3 1 0",
    )
}

fn until_whole(scenario: &Scenario) -> Outcome {
    on_all(scenario, "is whole", is_whole)
}

fn on_all(scenario: &Scenario, what: &str, holds: fn(&Node) -> Outcome<bool>) -> Outcome {
    let nodes = scenario.cluster.first_nodes();
    until(&format!("every node {what}"), || {
        for node in &nodes {
            if !holds(node)? {
                return Ok(false);
            }
        }
        Ok(true)
    })
}

/// Process id of a server of the store.
fn member(scenario: &Scenario, number: u16) -> Outcome<u32> {
    let file = scenario
        .cluster
        .file(&format!("zookeeper/{number}/zookeeper.pid"));
    let text = std::fs::read_to_string(&file).map_err(Failure::io(file.display().to_string()))?;
    text.trim()
        .parse()
        .map_err(|_| Failure::Wrong(format!("no process id in {}", file.display())))
}

/// One server is gone, then back.
fn killed(scenario: &Scenario, number: u16) -> Outcome {
    signal(member(scenario, number)?, Signal::Kill)?;
    let_pass(GONE);
    until_whole(scenario)?;
    scenario.cluster.restart()?;
    until_whole(scenario)
}

/// One server is silent for longer than a session, then back.
fn stopped(scenario: &Scenario, number: u16) -> Outcome {
    let pid = member(scenario, number)?;
    signal(pid, Signal::Stop)?;
    let_pass(SILENT);
    let whole = until_whole(scenario);
    signal(pid, Signal::Continue)?;
    whole?;
    until_whole(scenario)
}

/// All of them.
fn gone(scenario: &Scenario) -> Outcome {
    for number in 1..=3 {
        signal(member(scenario, number)?, Signal::Kill)?;
    }
    on_all(scenario, "misses the store", |node| {
        node.says(
            "SELECT count(*) > 0 FROM cluster_blocked WHERE why LIKE '%coordination store does not answer%'",
            "t",
        )
    })?;
    let_pass(ALL_GONE);
    scenario.cluster.restart()?;
    until_whole(scenario)
}
