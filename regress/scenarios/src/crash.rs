//! Transfers between nodes are killed at every point of their commit.
//!
//! Each round moves 1 between two accounts on different nodes and logs it, in one transaction, and ends its backend as
//! kill -9 would at one point (`expanse.fault`); in every third round a participating server is killed too and started
//! again. Afterwards no prepared transaction is left anywhere, and each account agrees with the log: both sides of a
//! transfer and its log entry, or none.

use crate::kit::{until, until_done, Failure, Node, Outcome, Scenario};

const POINTS: [&str; 7] = [
    "before_prepare",
    "during_prepare",
    "after_prepare",
    "before_local_commit",
    "after_local_commit",
    "before_commit_prepared",
    "during_commit_prepared",
];
const ROUNDS: usize = 3 * POINTS.len();
const ACCOUNTS: &str = "100";

/// Two accounts whose owners differ, on nodes other than the first.
struct Accounts {
    from: String,
    to: String,
}

pub fn run(scenario: &Scenario) -> Outcome {
    let first = limited(&scenario.cluster.node(1));
    first.run(&[
        "DROP TABLE IF EXISTS crash_account",
        "DROP TABLE IF EXISTS crash_log",
        "CREATE TABLE crash_account (id int PRIMARY KEY, balance int NOT NULL)",
        "CREATE TABLE crash_log (transfer int PRIMARY KEY)",
        "SELECT cluster_distribute_table('crash_account', 'id')",
        "SELECT cluster_distribute_table('crash_log', 'transfer')",
        "INSERT INTO crash_account SELECT i, 1000 FROM generate_series(1, 100) i",
    ])?;
    let accounts = pick(&first)?;
    let nodes: Vec<Node> = scenario.cluster.nodes()?.iter().map(limited).collect();
    let rounds = scenario
        .options
        .rounds
        .map_or(ROUNDS, |rounds| rounds * POINTS.len());
    for number in 1..=rounds {
        let point = POINTS[number % POINTS.len()];
        scenario.check(
            format_args!("round {number}, killed at {point}"),
            round(scenario, &nodes, &accounts, number, point),
        );
    }
    first
        .run(&["DROP TABLE crash_account", "DROP TABLE crash_log"])
        .map(drop)
}

fn limited(node: &Node) -> Node {
    node.with("statement_timeout", "30s")
}

fn pick(first: &Node) -> Outcome<Accounts> {
    let said = first.ask(
        "SELECT min(i) FILTER (WHERE o = 'n2'), min(i) FILTER (WHERE o = 'n3')
         FROM (SELECT i, cluster_owner('crash_account', i) AS o FROM generate_series(1, 100) i) s",
    )?;
    let (from, to) = said
        .split_once('|')
        .ok_or_else(|| Failure::Wrong(format!("no two accounts: {said}")))?;
    Ok(Accounts {
        from: from.into(),
        to: to.into(),
    })
}

fn round(
    scenario: &Scenario,
    nodes: &[Node],
    accounts: &Accounts,
    number: usize,
    point: &str,
) -> Outcome {
    let first = &nodes[0];
    if transfer(first, accounts, number, point).is_ok() && !point.starts_with("during_") {
        scenario.note(format_args!("the transfer was not killed at {point}"));
    }
    if number.is_multiple_of(3) {
        nodes[1].kill_server()?;
        until("the first node answers", || first.says("SELECT 0", "0"))?;
        // The first node's server may only now notice that one of its sessions has crashed, and recover.
        until_done("all servers run", || scenario.cluster.restart())?;
    }
    for node in nodes {
        until(
            &format!("{} holds no prepared transaction", node.name),
            || node.says("SELECT count(*) FROM pg_prepared_xacts", "0"),
        )?;
    }
    until("all accounts are there", || {
        first.says("SELECT count(*) FROM crash_account", ACCOUNTS)
    })?;
    let logged = first.number("SELECT count(*) FROM crash_log")?;
    let (from, to) = (
        balance(first, &accounts.from)?,
        balance(first, &accounts.to)?,
    );
    if from == 1000 - logged && to == 1000 + logged {
        return Ok(());
    }
    Err(Failure::Wrong(format!(
        "{logged} transfers logged, balances {from} and {to}"
    )))
}

fn balance(first: &Node, id: &str) -> Outcome<i64> {
    first.number(&format!(
        "SELECT balance FROM crash_account WHERE id = {id}"
    ))
}

/// The session is lost in its middle.
fn transfer(first: &Node, accounts: &Accounts, number: usize, point: &str) -> Outcome<String> {
    let Accounts { from, to } = accounts;
    first.run(&[
        &format!("SET expanse.fault = '{point}'"),
        "BEGIN",
        &format!("UPDATE crash_account SET balance = balance - 1 WHERE id = {from}"),
        &format!("UPDATE crash_account SET balance = balance + 1 WHERE id = {to}"),
        &format!("INSERT INTO crash_log VALUES ({number})"),
        "COMMIT",
    ])
}
