//! Readers of a distributed, a replicated and a plain table see transactions that write all three as a whole.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::a_session_waits;
use crate::kit::{until, Failure, Outcome, Pgbench, Scenario, Session};

const WRITE: &str = "\\set one random(1, 4)
\\set other random(1, 20)
BEGIN;
UPDATE plain SET v = v + 1 WHERE k = :one;
UPDATE copied SET v = v + 1 WHERE k = :one;
UPDATE spread SET v = v + 2 WHERE k = :other;
COMMIT;
";

/// Reads all three tables and says whether their sums belong together.
type Read = fn(&Scenario, &Session) -> Outcome<bool>;

pub fn run(scenario: &Scenario) {
    scenario.check("three tables", three_tables(scenario));
    scenario.check("copies stay alike", copies_differ(scenario));
    let reads: [(&str, Read); 3] = [
        ("a statement sees transactions as a whole", in_one),
        ("so does a transaction with one snapshot", in_transaction),
        ("and a report that begins with a plain table", in_report),
    ];
    for (name, read) in reads {
        scenario.check(name, seen_whole(scenario, read));
    }
    scenario.check("and pg_dump", dumped(scenario));
}

fn three_tables(scenario: &Scenario) -> Outcome {
    scenario.cluster.node(1).run(&[
        "CREATE TABLE spread (k int PRIMARY KEY, v int)",
        "SELECT cluster_distribute_table('spread', 'k')",
        "CREATE TABLE copied (k int PRIMARY KEY, v int)",
        "SELECT cluster_replicate_table('copied')",
        "CREATE TABLE plain (k int PRIMARY KEY, v int)",
        "INSERT INTO spread SELECT i, 0 FROM generate_series(1, 20) i",
        "INSERT INTO copied SELECT i, 0 FROM generate_series(1, 4) i",
        "INSERT INTO plain TABLE copied",
    ])?;
    fs::write(script(scenario), WRITE).map_err(Failure::io("writing write.sql"))
}

fn script(scenario: &Scenario) -> PathBuf {
    scenario.cluster.file("write.sql")
}

/// A row comes to a replicated table while a statement about all of its rows waits: after it on one node, before it on
/// another.
fn copies_differ(scenario: &Scenario) -> Outcome {
    let n1 = scenario.cluster.node(1);
    n1.ask("INSERT INTO copied SELECT i, 0 FROM generate_series(101, 103) i")?;
    let adds = scenario.cluster.node(2).session()?;
    adds.run_each(&[
        "BEGIN",
        "UPDATE copied SET v = v WHERE k = 101",
        "INSERT INTO copied VALUES (200, 0)",
    ])?;
    let waiter = n1.begin("UPDATE copied SET v = v + 0 WHERE k > 100")?;
    if let Err(late) = until("the statement waits", || a_session_waits(scenario)) {
        scenario.note(late);
    }
    adds.run("COMMIT")?;
    adds.close()?;
    let told = match waiter.wait() {
        Err(error) if error.sqlstate() == Some("40001") => {
            error.to_string().contains("rows of a replicated table")
        }
        other => {
            scenario.note(format_args!("the statement: {other:?}"));
            false
        }
    };
    scenario.check("it is told", told);
    n1.ask("DELETE FROM copied WHERE k > 100")?;
    let content = "SELECT md5(string_agg(c::text, chr(10) ORDER BY k)) FROM copied c";
    let mut copies = Vec::new();
    for node in scenario.cluster.nodes()? {
        copies.push(node.internal().ask(content)?);
    }
    copies.dedup();
    if copies.len() == 1 {
        return Ok(());
    }
    Err(Failure::wrong("the copies differ"))
}

fn in_one(_: &Scenario, session: &Session) -> Outcome<bool> {
    Ok(session.run(
        "SELECT (SELECT sum(v) FROM spread) = (SELECT sum(v) FROM plain) + (SELECT sum(v) FROM copied)",
    )? == "t")
}

fn in_transaction(_: &Scenario, session: &Session) -> Outcome<bool> {
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ")?;
    let spread = sum(session, "spread")?;
    let plain = sum(session, "plain")?;
    let copied = sum(session, "copied")?;
    session.run("COMMIT")?;
    Ok(spread == plain + copied)
}

fn in_report(scenario: &Scenario, session: &Session) -> Outcome<bool> {
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
    let plain = sum(session, "plain")?;
    let file = scenario.cluster.node(1).directory().join("plain.copied");
    session.run(&format!("COPY plain TO '{}'", file.display()))?;
    let spread = sum(session, "spread")?;
    let copied = sum(session, "copied")?;
    session.run("COMMIT")?;
    Ok(spread == plain + copied)
}

fn sum(session: &Session, table: &str) -> Outcome<i64> {
    let said = session.run(&format!("SELECT sum(v) FROM {table}"))?;
    said.parse()
        .map_err(|_| Failure::Wrong(format!("\"{said}\" is no sum of {table}")))
}

fn writers(scenario: &Scenario) -> Outcome<Pgbench> {
    Pgbench::start(
        &scenario.cluster,
        &scenario.cluster.node(1),
        "write",
        &script(scenario),
        &["-c", "3", "-T", "5"],
    )
}

fn none_failed(writers: Pgbench) -> Outcome {
    let said = writers.wait()?;
    if said.contains("failed transactions: 0 ") {
        return Ok(());
    }
    Err(Failure::Wrong(said))
}

/// A hundred times while three sessions write.
fn seen_whole(scenario: &Scenario, read: Read) -> Outcome {
    let writers = writers(scenario)?;
    let session = scenario.cluster.node(1).session()?;
    let mut torn = 0;
    for _ in 0..100 {
        torn += u32::from(!read(scenario, &session)?);
    }
    session.close()?;
    none_failed(writers)?;
    if torn == 0 {
        return Ok(());
    }
    Err(Failure::Wrong(format!("{torn} of 100 reads saw a part")))
}

/// What pg_dump sees of the three belongs together, too.
fn dumped(scenario: &Scenario) -> Outcome {
    let writers = writers(scenario)?;
    for _ in 0..5 {
        let sums = dump(scenario)?;
        let of = |table: &str| sums.get(table).copied().unwrap_or_default();
        let (spread, rest) = (of("spread"), of("plain") + of("copied"));
        if spread != rest || spread == 0 {
            return Err(Failure::Wrong(format!("dumped: {sums:?}")));
        }
    }
    none_failed(writers)
}

/// Sums of the second column of each dumped table.
fn dump(scenario: &Scenario) -> Outcome<HashMap<String, i64>> {
    let port = scenario.cluster.node(1).port.to_string();
    let dumped = Command::new(scenario.cluster.program("pg_dump"))
        .args(["-h", "127.0.0.1", "-U", "postgres", "-p", &port, "-a"])
        .args(["-t", "spread", "-t", "copied", "-t", "plain", "postgres"])
        .output()
        .map_err(Failure::io("starting pg_dump"))?;
    if !dumped.status.success() {
        let said = String::from_utf8_lossy(&dumped.stderr).into_owned();
        return Err(Failure::Wrong(said));
    }
    let (mut sums, mut table) = (HashMap::new(), String::new());
    for line in String::from_utf8_lossy(&dumped.stdout).lines() {
        if let Some(rest) = line.strip_prefix("COPY public.") {
            table = rest.split(' ').next().unwrap_or_default().to_owned();
        } else if let Some((_, value)) = line.split_once('\t') {
            let value: i64 = value.parse().unwrap_or_default();
            *sums.entry(table.clone()).or_default() += value;
        }
    }
    Ok(sums)
}
