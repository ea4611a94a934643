//! Why anything that should happen does not: a pure collection of what all parts know.

use std::collections::BTreeMap;

use expanse_core::live::{Blocked, ExecutorClass};
use expanse_core::wire::{NodeStatus, Operation, OperationState, Topology};

use crate::kinds::KINDS;

/// What is known at one moment.
pub struct Facts<'a> {
    /// This node.
    pub me: &'a str,
    pub statuses: &'a BTreeMap<String, NodeStatus>,
    pub topology: Option<&'a Topology>,
    /// Topologies that were offered and refused, with the reason.
    pub refused: &'a [String],
    pub operations: &'a [Operation],
    pub executor: &'a [ExecutorClass],
    /// What this sidecar gave up.
    pub alarms: &'a [Blocked],
    pub leader: Option<&'a str>,
    pub store_answers: bool,
    /// The local server answers and is part of the cluster.
    pub server_answers: bool,
    /// What keeps the local server from being level with the other nodes.
    pub behind: Option<&'a str>,
}

/// Every row; those whose beginning is not known have `since` 0.
pub fn blocked(facts: &Facts) -> Vec<Blocked> {
    let mut rows = Vec::new();
    rows.extend(own(facts));
    rows.extend(missing_nodes(facts));
    rows.extend(facts.operations.iter().filter_map(|o| waits(facts, o)));
    rows.extend(refused_commands(facts.executor));
    rows.extend(facts.alarms.iter().cloned());
    for row in &mut rows {
        row.reported_by = facts.me.to_owned();
    }
    for (name, status) in facts.statuses.iter().filter(|(name, _)| *name != facts.me) {
        rows.extend(status.alarms.iter().map(|alarm| Blocked {
            reported_by: name.clone(),
            ..alarm.clone()
        }));
    }
    rows
}

fn row(weight: &str, node: &str, what: impl Into<String>, why: impl Into<String>) -> Blocked {
    Blocked {
        node_name: node.to_owned(),
        what: what.into(),
        why: why.into(),
        weight: weight.to_owned(),
        ..Blocked::default()
    }
}

fn own<'a>(facts: &'a Facts) -> impl Iterator<Item = Blocked> + 'a {
    let store = (!facts.store_answers).then(|| Blocked {
        hint: "Start the coordination store; queries and writes go on without it.".into(),
        ..row(
            "critical",
            facts.me,
            "operations and status",
            "the coordination store does not answer",
        )
    });
    let server = (!facts.server_answers).then(|| Blocked {
        hint: "Start the server; see its log if it does not start.".into(),
        ..row(
            "critical",
            facts.me,
            "work of this node",
            "the local server does not answer or is not part of a cluster",
        )
    });
    let behind = facts.behind.map(|why| Blocked {
        hint: "It goes on by itself once the nodes that took part in what it misses answer; a server that was restored from an old backup has to be made anew.".into(),
        ..row(
            "critical",
            facts.me,
            "status entry of this node",
            format!("it catches up: {why}"),
        )
    });
    let refused = facts.refused.iter().map(|reason| Blocked {
        hint: "Correct it at its source; the topology in use stays.".into(),
        ..row("interactive", facts.me, "a new topology", reason.clone())
    });
    store.into_iter().chain(server).chain(behind).chain(refused)
}

/// Nodes that should have a status entry. Without the store no node has one.
fn missing_nodes<'a>(facts: &'a Facts) -> impl Iterator<Item = Blocked> + 'a {
    let nodes = facts.topology.map_or(&[][..], |t| &t.nodes);
    nodes
        .iter()
        .filter(|node| facts.store_answers && !facts.statuses.contains_key(&node.node_name))
        .map(|node| Blocked {
            hint: format!(
                "Start the server on {}:{} and its expansed.",
                node.host, node.port
            ),
            ..row(
                "critical",
                &node.node_name,
                "work of this node",
                "it has no status entry: its server or its sidecar is down, or it catches up",
            )
        })
}

/// Why an operation that has not finished does not go on.
fn waits(facts: &Facts, operation: &Operation) -> Option<Blocked> {
    if operation.state.finished() {
        return None;
    }
    let id = operation.operation_id;
    let what = format!(
        "operation {id}, {} of {}",
        operation.kind.as_str(),
        operation.target
    );
    let node = facts.leader.unwrap_or(facts.me);
    let because = |why: String, hint: String| {
        Some(Blocked {
            hint,
            since: operation.started_at.unwrap_or(0.0),
            ..row("maintenance", node, what.clone(), why)
        })
    };
    if facts.leader.is_none() {
        return because(
            "no sidecar leads".into(),
            "See SELECT * FROM cluster_nodes; a node whose server and sidecar run takes the lead by itself.".into(),
        );
    }
    if operation.state == OperationState::Paused {
        return because(
            "it is paused".into(),
            format!("SELECT cluster_resume({id});"),
        );
    }
    if operation.state == OperationState::Pending {
        let first = KINDS.must_wait(facts.operations, operation)?;
        let first = first.operation_id;
        return because(
            format!("operation {first} has to end first"),
            format!("Wait, or SELECT cluster_cancel({first});"),
        );
    }
    let error = operation.error.as_ref()?;
    let hint = error.hint.clone();
    because(
        format!("the last try failed: {}", error.message),
        hint.unwrap_or_else(|| {
            format!("It is tried again; SELECT cluster_cancel({id}); undoes it.")
        }),
    )
}

/// One row for each node that is not asked, and one for each class that waits.
fn refused_commands(executor: &[ExecutorClass]) -> Vec<Blocked> {
    let mut rows: Vec<Blocked> = Vec::new();
    for class in executor {
        let Some(why) = &class.reason else { continue };
        if class.breaker != "closed" {
            let what = format!("commands to {}", class.address);
            if !rows.iter().any(|r| r.what == what) {
                rows.push(Blocked {
                    hint: "Check that the server runs and can be reached; it is probed until it answers.".into(),
                    ..row("interactive", &class.node_name, what, why)
                });
            }
        } else if class.waiting > 0 {
            let what = format!("{} commands to {}", class.class, class.address);
            let hint = format!("Raise executor.{}_sockets if this lasts.", class.class);
            rows.push(Blocked {
                hint,
                ..row(&class.class, &class.node_name, what, why)
            });
        }
    }
    rows
}

/// Remembers since when each row is there, where the row itself does not know.
#[derive(Debug, Default)]
pub struct Since(BTreeMap<(String, String), f64>);

impl Since {
    pub fn fill(&mut self, rows: &mut [Blocked], now: f64) {
        let key = |row: &Blocked| (row.node_name.clone(), row.what.clone());
        let known = std::mem::take(&mut self.0);
        for row in rows.iter_mut().filter(|row| row.since == 0.0) {
            let since = known.get(&key(row)).copied().unwrap_or(now);
            row.since = since;
            self.0.insert(key(row), since);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expanse_core::sqlstate;
    use expanse_core::wire::{ControlError, OperationKind, TopologyNode};

    fn well<'a>(statuses: &'a BTreeMap<String, NodeStatus>) -> Facts<'a> {
        Facts {
            me: "n1",
            statuses,
            topology: None,
            refused: &[],
            operations: &[],
            executor: &[],
            alarms: &[],
            leader: Some("n1"),
            store_answers: true,
            server_answers: true,
            behind: None,
        }
    }

    fn operation(id: i64, kind: OperationKind, state: OperationState) -> Operation {
        let mut operation = Operation::new(id, kind, "t");
        operation.state = state;
        operation
    }

    #[test]
    fn when_all_is_well_there_is_nothing() {
        assert_eq!(blocked(&well(&BTreeMap::new())), []);
    }

    #[test]
    fn a_node_without_a_status_entry_is_named() {
        let statuses = BTreeMap::from([("n1".to_owned(), NodeStatus::default())]);
        let node = |id: i32| TopologyNode {
            node_id: id,
            node_name: format!("n{id}"),
            host: "h".into(),
            port: 5432,
            weight: 1,
        };
        let topology = Topology {
            nodes: vec![node(1), node(2)],
            ..Topology::default()
        };
        let mut facts = Facts {
            topology: Some(&topology),
            ..well(&statuses)
        };
        let rows = blocked(&facts);
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0].node_name.as_str(), rows[0].reported_by.as_str()),
            ("n2", "n1")
        );
        facts.store_answers = false;
        let rows = blocked(&facts);
        assert_eq!(
            rows.len(),
            1,
            "without the store nothing is known of others"
        );
        assert!(rows[0].why.contains("coordination store"));
    }

    #[test]
    fn an_operation_says_what_it_waits_for() {
        use OperationKind::{Expand, Rebind};
        let mut failing = operation(1, Expand, OperationState::Running);
        failing.error = Some(
            ControlError::new(sqlstate::NODE_UNREACHABLE, "node n4 is down").with_hint("Start it."),
        );
        let operations = [failing, operation(2, Rebind, OperationState::Pending)];
        let statuses = BTreeMap::new();
        let mut facts = Facts {
            operations: &operations,
            ..well(&statuses)
        };
        let rows = blocked(&facts);
        assert!(rows[0].why.contains("node n4 is down") && rows[0].hint == "Start it.");
        assert_eq!(rows[1].why, "operation 1 has to end first");
        facts.leader = None;
        assert!(blocked(&facts).iter().all(|r| r.why == "no sidecar leads"));
    }

    #[test]
    fn the_alarms_of_all_nodes_are_there() {
        let alarm = row("critical", "n3", "recover transactions", "down");
        let other = NodeStatus {
            alarms: vec![alarm.clone()],
            ..NodeStatus::default()
        };
        let me = NodeStatus {
            alarms: vec![alarm.clone()],
            ..NodeStatus::default()
        };
        let statuses = BTreeMap::from([("n1".to_owned(), me), ("n2".to_owned(), other)]);
        let rows = blocked(&Facts {
            alarms: std::slice::from_ref(&alarm),
            ..well(&statuses)
        });
        let by: Vec<_> = rows.iter().map(|r| r.reported_by.as_str()).collect();
        assert_eq!(by, ["n1", "n2"]);
    }

    #[test]
    fn the_beginning_is_kept_while_the_row_stays() {
        let mut since = Since::default();
        let mut rows = [row("critical", "n1", "a", "x")];
        since.fill(&mut rows, 10.0);
        let mut again = [
            row("critical", "n1", "a", "y"),
            row("critical", "n1", "b", "z"),
        ];
        since.fill(&mut again, 20.0);
        assert_eq!((again[0].since, again[1].since), (10.0, 20.0));
        since.fill(&mut [], 30.0);
        let mut anew = [row("critical", "n1", "a", "x")];
        since.fill(&mut anew, 40.0);
        assert_eq!(anew[0].since, 40.0);
    }
}
