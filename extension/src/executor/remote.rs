//! Running statements on other nodes: the interface that scans, writes and schema changes use.
//!
//! Everything here waits interruptibly and raises a node's error as that node reported it, with the node in the
//! context. Connections belong to the backend, one for each (node, user).

use super::connection::connect;
use super::libpq::Status;
use super::wait::{wait, READABLE};
use crate::catalog::NodeId;
use pgrx::pg_sys::Oid;

pub use super::copy::CopyIn;
pub use super::stream::{advance_any, Stream};

/// How a statement relates to the running transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only reads; may run in a transaction of its own on the node, unless this transaction has written there or
    /// keeps one snapshot (REPEATABLE READ and above).
    Read,
    /// One of several reads of one statement: they share a snapshot on each node.
    ReadShared,
    /// Writes or locks rows: belongs to the distributed transaction.
    Write,
    /// Writes and is the whole transaction's only statement, on one node only (autocommit): needs no BEGIN and no COMMIT.
    WriteAlone,
}

/// A statement for another node.
#[derive(Debug, Clone, Copy)]
pub struct Command<'a> {
    pub sql: &'a str,
    pub param_types: &'a [Oid],
    /// In text format; `None` is NULL.
    pub params: &'a [Option<Vec<u8>>],
    /// Ask for binary results.
    pub binary: bool,
    /// Keep it prepared on the connection, keyed by its text.
    pub prepare: bool,
}

impl<'a> Command<'a> {
    /// A statement without parameters, run once, with results in text.
    pub fn text(sql: &'a str) -> Command<'a> {
        Command {
            sql,
            param_types: &[],
            params: &[],
            binary: false,
            prepare: false,
        }
    }
}

/// Rows of a small result, as text.
pub type Rows = Vec<Vec<Option<String>>>;

/// Runs one statement on several nodes at once and waits for all; raises the first error after all have answered.
pub fn run_on(nodes: &[NodeId], access: Access, sql: &str) -> Vec<(NodeId, Rows)> {
    let mut streams: Vec<Stream> = nodes
        .iter()
        .map(|&node| Stream::start(node, access, &Command::text(sql)))
        .collect();
    streams
        .iter_mut()
        .map(|stream| {
            let mut rows = Rows::new();
            while stream.advance() {
                rows.push(
                    (0..stream.columns())
                        .map(|column| text(stream.value(column)))
                        .collect(),
                );
            }
            (stream.node(), rows)
        })
        .collect()
}

fn text(value: Option<&[u8]>) -> Option<String> {
    value.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// A statement outside the distributed transaction, at a server that need not be a node yet (checks of `cluster_expand`).
pub fn run_at(host: &str, port: i32, sql: &str) -> Result<Rows, String> {
    run_outside(host, port, sql, false)
}

/// The same on a node, in an internal session: the statement is about that node's own tables.
pub fn run_internally_at(host: &str, port: i32, sql: &str) -> Result<Rows, String> {
    run_outside(host, port, sql, true)
}

fn run_outside(host: &str, port: i32, sql: &str, internal: bool) -> Result<Rows, String> {
    let (login, _) = super::identity::login();
    let handle = connect(host, port, &login, internal)?;
    if !handle.send_simple(&super::connection::c_text(sql)) {
        return Err(handle.message());
    }
    let mut rows = Rows::new();
    let mut failure = None;
    loop {
        while handle.busy() {
            wait(handle.socket(), READABLE, None, false);
            if !handle.consume() {
                return Err(handle.message());
            }
        }
        let Some(result) = handle.result() else { break };
        match result.status() {
            Status::PGRES_TUPLES_OK => {
                for row in 0..result.rows() {
                    rows.push(
                        (0..result.columns())
                            .map(|c| text(result.value(row, c)))
                            .collect(),
                    );
                }
            }
            Status::PGRES_COMMAND_OK => {}
            _ => failure = Some(result.error().message),
        }
    }
    failure.map_or(Ok(rows), Err)
}
