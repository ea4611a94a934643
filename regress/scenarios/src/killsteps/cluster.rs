//! The cluster that is struck: nodes may be away at any time, so whichever answers is asked.

use std::time::{Duration, Instant};

use super::fault::{Fault, FaultFile, Victim};
use super::writer::Acknowledged;
use crate::kit::{
    let_pass, until, until_done, until_within, Failure, Node, Operation, Outcome, Scenario,
    PATIENCE,
};

pub const ROWS: i64 = 5000;
/// Session timeout of the coordination store, and what comes on top.
const TAKEOVER: Duration = Duration::from_secs(15);
/// What a killed server is away for at least.
const AWAY: Duration = Duration::from_millis(500);
/// What ends later is worth a line.
const SOON: Duration = Duration::from_secs(60);

/// The cluster, its writer's rows, and the fault.
pub struct Struck<'a> {
    pub scenario: &'a Scenario,
    /// The three nodes that stay.
    pub nodes: Vec<Node>,
    pub acknowledged: Acknowledged,
    /// How many faults were reached.
    pub hits: usize,
    fault: FaultFile,
}

impl<'a> Struck<'a> {
    /// # Errors
    /// [`Failure`].
    pub fn new(scenario: &'a Scenario) -> Outcome<Self> {
        let cluster = &scenario.cluster;
        let fault = FaultFile::new(cluster.file("fault/at"))?;
        cluster.node(1).run(&[
            "CREATE TABLE moved (id bigint PRIMARY KEY, note text)",
            "CREATE INDEX moved_note ON moved (note)",
            "SELECT cluster_distribute_table('moved', 'id')",
            &format!(
                "INSERT INTO moved SELECT i, repeat('x', 50) FROM generate_series(1, {ROWS}) i"
            ),
            "CREATE TABLE copied (id int PRIMARY KEY, note text)",
            "SELECT cluster_replicate_table('copied')",
            "INSERT INTO copied SELECT i, 'copy ' || i FROM generate_series(1, 100) i",
        ])?;
        cluster.make_directory(&cluster.file("disks"))?;
        cluster.add_server()?;
        let acknowledged = Acknowledged::default();
        acknowledged.begin("moved", ROWS);
        Ok(Self {
            scenario,
            nodes: cluster.first_nodes(),
            acknowledged,
            hits: 0,
            fault,
        })
    }

    /// The fourth server.
    pub fn fourth(&self) -> Node {
        self.scenario.cluster.node(4)
    }

    /// What the first node that answers says.
    pub fn any(&self, query: &str) -> Outcome<String> {
        let mut last = Failure::wrong("there is no node");
        for node in &self.nodes {
            match node.ask(query) {
                Ok(said) => return Ok(said),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub fn any_says(&self, query: &str, wanted: &str) -> Outcome<bool> {
        Ok(self.any(query)? == wanted)
    }

    /// Does every one of the three say so, in a session that sees its own fragments only?
    pub fn all_say(&self, query: &str, wanted: &str) -> Outcome<bool> {
        for node in &self.nodes {
            if !node.internal().says(query, wanted)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Starts an operation on the first node that takes it.
    fn start(&self, call: &str) -> Outcome<Operation> {
        until_done(&format!("{call} is started"), || {
            let mut last = Failure::wrong("there is no node");
            for node in &self.nodes {
                match self.scenario.cluster.start_on(node, call) {
                    Ok(operation) => return Ok(operation),
                    Err(error) => last = error,
                }
            }
            Err(last)
        })
    }

    /// Sidecars of nodes whose server is away show what they knew last: all are asked.
    fn has_ended(&self, operation: &Operation) -> bool {
        let ended = "state IN ('succeeded', 'failed', 'cancelled')";
        operation.any_shows(&self.nodes, ended, "t")
    }

    fn until_ended(&self, operation: &Operation) -> Outcome {
        let ended = until(&format!("operation {} has ended", operation.id), || {
            Ok(self.has_ended(operation))
        });
        ended.map_err(|late| {
            let unfinished = self.any(
                "SELECT operation_id, kind, state, phase, error FROM cluster_operations WHERE finished_at IS NULL",
            );
            let shown = unfinished.unwrap_or_else(|error| error.to_string());
            Failure::Wrong(format!("{late}; unfinished: {shown}"))
        })
    }

    /// Starts everything that is down; a server that has just been killed may take a few tries.
    fn revive(&self) -> Outcome {
        const TRIES: u32 = 5;
        for _ in 0..TRIES {
            if self.scenario.cluster.restart().is_ok() {
                return Ok(());
            }
            let_pass(Duration::from_secs(1));
        }
        self.scenario.cluster.restart()
    }

    /// The operation runs with the fault, and ends by itself. An error: it could not be started, or does not end.
    pub fn strike(&mut self, kind: &str, fault: Fault, call: &str) -> Outcome {
        self.fault.arm(kind, fault)?;
        let operation = self.start(call)?;
        let deadline = Instant::now() + PATIENCE;
        while !self.fault.reached() && !self.has_ended(&operation) && Instant::now() < deadline {
            let_pass(Duration::from_millis(20));
        }
        let reached = self.fault.reached().then(Instant::now);
        if reached.is_some() {
            self.hits += 1;
            self.kill(kind, fault, &operation)?;
        }
        self.fault.disarm();
        self.until_ended(&operation)?;
        if let Some(took) = reached
            .map(|begun| begun.elapsed())
            .filter(|took| *took > SOON)
        {
            let seconds = took.as_secs();
            self.scenario
                .note(format_args!("{kind} {fault} took {seconds} s"));
        }
        self.revive()
    }

    /// The point has been reached: the sidecar has died there, or waits for the death of a server.
    fn kill(&self, kind: &str, fault: Fault, operation: &Operation) -> Outcome {
        match fault.victim {
            Victim::Sidecar => {
                let name = format!(
                    "{kind} {} write {}: another goes on with {}",
                    fault.side, fault.point, operation.id
                );
                self.scenario.check(name, self.until_taken_over(operation));
                Ok(())
            }
            Victim::Server(number) => {
                self.scenario.cluster.node(number).kill_server()?;
                self.fault.go_on()?;
                let_pass(AWAY);
                // What is still down then is started again at the end.
                if let Err(error) = self.revive() {
                    self.scenario.note(error);
                }
                Ok(())
            }
        }
    }

    fn until_taken_over(&self, operation: &Operation) -> Outcome {
        until_within(TAKEOVER, "another sidecar goes on", || {
            Ok(self.has_ended(operation) || operation.runs() > 1)
        })
    }

    /// Repeats the operation without faults until it has had its effect: it may have been undone.
    pub fn finally(&self, holds: impl Fn(&Self) -> Outcome<bool>, call: &str) -> Outcome {
        if matches!(holds(self), Ok(true)) {
            return Ok(());
        }
        let operation = self.start(call)?;
        self.until_ended(&operation)?;
        until(&format!("{call} has had its effect"), || holds(self))
    }
}
