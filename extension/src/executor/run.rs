//! Statements with small results, run on several nodes at once.

use super::connect::connect;
use super::libpq::{c_string, Kind, Pq};
use super::remote::{Access, Command, Rows};
use super::stream::{advance_any, Stream};
use super::wait::{check_for_interrupts, WaitSet};
use crate::catalog::NodeId;
use crate::error::Raised;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

/// Runs one statement on several nodes at once and waits for all; raises the first error after all have answered.
pub fn run_on(nodes: &[NodeId], access: Access, sql: &str) -> Vec<(NodeId, Rows)> {
    let command = Command::text(sql);
    let mut streams: Vec<Stream> = nodes
        .iter()
        .map(|&node| Stream::start(node, access, &command).hush())
        .collect();
    let mut rows: Vec<(NodeId, Rows)> = nodes.iter().map(|&node| (node, Rows::new())).collect();
    let mut failure = None;
    loop {
        match catch_unwind(AssertUnwindSafe(|| advance_any(&mut streams))) {
            Ok(Some(index)) => rows[index].1.push(streams[index].texts()),
            Ok(None) => break,
            // Of a node: the others go on to their ends. Anything else (a cancel) ends all.
            Err(payload) if payload.is::<Raised>() => {
                failure.get_or_insert(payload);
            }
            Err(payload) => resume_unwind(payload),
        }
    }
    match failure {
        Some(failure) => resume_unwind(failure),
        None => rows,
    }
}

/// A statement outside the distributed transaction, at a server that need not be a node yet; the rows of the text's
/// last statement.
pub fn run_at(host: &str, port: i32, sql: &str) -> Result<Rows, String> {
    run_apart(host, port, sql, false)
        .map(|(rows, _)| rows)
        .map_err(|failure| failure.message)
}

/// The same on a node, in an internal session: the statement is about that node's own tables.
pub fn run_internally_at(host: &str, port: i32, sql: &str) -> Result<Rows, String> {
    run_apart(host, port, sql, true)
        .map(|(rows, _)| rows)
        .map_err(|failure| failure.message)
}

/// The same with the whole error, and the command tag.
#[allow(clippy::result_large_err)] // the error is raised at once
pub fn run_apart(
    host: &str,
    port: i32,
    sql: &str,
    internal: bool,
) -> Result<(Rows, String), Raised> {
    let lost = |message: String| Raised {
        sqlstate: "08006".into(),
        message,
        ..Raised::default()
    };
    let mut pq = connect(host, port, "apart", internal).map_err(lost)?;
    let mut waiter = WaitSet::new(vec![pq.socket()]);
    let outcome = exchange(&mut pq, &mut waiter, sql);
    // Before the socket is closed.
    drop(waiter);
    outcome.map_err(|failure| failure.unwrap_or_else(|| lost(pq.error())))
}

#[allow(clippy::result_large_err)] // the error is raised at once
fn exchange(
    pq: &mut Pq,
    waiter: &mut WaitSet,
    sql: &str,
) -> Result<(Rows, String), Option<Raised>> {
    if !pq.send_simple(&c_string(sql)) {
        return Err(None);
    }
    let mut rows = Rows::new();
    let mut tag = String::new();
    loop {
        while pq.busy() {
            let flushed = pq.flush().ok_or(None)?;
            waiter.wait(!flushed, None);
            check_for_interrupts();
            if !pq.consume() {
                return Err(None);
            }
        }
        let Some(answer) = pq.result() else {
            return Ok((rows, tag));
        };
        match answer.kind() {
            Kind::Rows | Kind::Command => {
                tag = answer.tag();
                rows = (0..answer.rows())
                    .map(|row| (0..answer.columns()).map(|c| answer.text(row, c)).collect())
                    .collect();
            }
            Kind::Error => return Err(Some(answer.report())),
            _ => {
                return Err(Some(Raised {
                    sqlstate: "0A000".into(),
                    message: "COPY to or from the client is not possible here".into(),
                    ..Raised::default()
                }))
            }
        }
    }
}
