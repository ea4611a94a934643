//! Sessions that wait for a row whose distribution key changes meanwhile.

use super::a_session_waits;
use crate::kit::{until, Failure, Node, Outcome, Scenario};

pub fn run(scenario: &Scenario, keys: &[String]) {
    let [n1, n2, n3] = [1, 2, 3].map(|number| scenario.cluster.node(number));
    for key in keys {
        let cases = [
            (
                "an UPDATE is told that the row has moved",
                &n1,
                format!("UPDATE d SET v = 9 WHERE k = {key}"),
            ),
            (
                "a DELETE is told that the row has moved",
                &n2,
                format!("DELETE FROM d WHERE k = {key}"),
            ),
            (
                "so is a session that locks it",
                &n3,
                format!("SELECT FROM d WHERE k = {key} FOR UPDATE"),
            ),
            (
                "and one that looks at all rows",
                &n1,
                "UPDATE d SET v = v WHERE v > 0".to_owned(),
            ),
        ];
        for (name, node, statement) in cases {
            scenario.check(name, moved(scenario, node, key, &statement));
        }
    }
}

/// Refused when the row moves; done when it stays after all.
fn moved(scenario: &Scenario, node: &Node, key: &str, statement: &str) -> Outcome {
    waiting(
        scenario,
        node,
        key,
        "ROLLBACK",
        &["BEGIN", statement, "ROLLBACK"],
    )?;
    match waiting(scenario, node, key, "COMMIT", &[statement]) {
        Err(error) if error.sqlstate() == Some("40001") => {}
        Err(error) => return Err(error),
        Ok(said) => return Err(Failure::Wrong(format!("not told: {said}"))),
    }
    let back = scenario.cluster.node(1).ask(&format!(
        "UPDATE d SET k = k - 1000 WHERE k = {key} + 1000 RETURNING k"
    ))?;
    if back == key {
        return Ok(());
    }
    Err(Failure::Wrong(format!("\"{back}\" went back, not {key}")))
}

/// Statements that wait for a row whose key another transaction changes before its end.
fn waiting(
    scenario: &Scenario,
    node: &Node,
    key: &str,
    end: &str,
    statements: &[&str],
) -> Outcome<String> {
    let mover = scenario.cluster.node(1).session()?;
    let change = format!("UPDATE d SET k = k + 1000 WHERE k = {key} RETURNING k");
    mover.run_each(&["BEGIN", &change])?;
    let waiter = node.begin(&statements.join("; "))?;
    if let Err(late) = until("a session waits for the row", || a_session_waits(scenario)) {
        scenario.note(format_args!("{late}\n{}", scenario.cluster.sessions()));
    }
    mover.run(end)?;
    mover.close()?;
    waiter.wait()
}
