//! Running statements on other nodes: the interface that scans, writes and schema changes use.
//!
//! Everything here waits interruptibly and raises a node's error as that node reported it, with the node in the
//! context. Connections belong to the backend, one for each (node, user).

use crate::catalog::NodeId;
use pgrx::pg_sys::Oid;

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

/// A statement in flight; dropped early, it is cancelled and its rows are thrown away.
pub struct Stream {
    node: NodeId,
}

impl Stream {
    /// Sends the statement and returns at once.
    pub fn start(node: NodeId, access: Access, command: &Command) -> Stream {
        let _ = (access, command);
        Stream { node }
    }

    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Waits for the next row; false at the end. The row is then read by [`Stream::value`].
    pub fn advance(&mut self) -> bool {
        unimplemented!()
    }

    /// A column (from 0) of the current row; `None` is NULL. Valid until the next `advance`.
    pub fn value(&self, column: usize) -> Option<&[u8]> {
        let _ = column;
        unimplemented!()
    }

    /// After the end: rows inserted, updated or deleted.
    pub fn affected(&self) -> u64 {
        unimplemented!()
    }
}

/// Waits until one of the streams has a row and advances to it: its index; `None` when all have ended.
pub fn advance_any(streams: &mut [Stream]) -> Option<usize> {
    let _ = streams;
    unimplemented!()
}

/// Rows of a small result, as text.
pub type Rows = Vec<Vec<Option<String>>>;

/// Runs one statement on several nodes at once and waits for all; raises the first error after all have answered.
pub fn run_on(nodes: &[NodeId], access: Access, sql: &str) -> Vec<(NodeId, Rows)> {
    let _ = (nodes, access, sql);
    unimplemented!()
}

/// `COPY ... FROM STDIN` into a node.
pub struct CopyIn {
    node: NodeId,
}

impl CopyIn {
    /// Starts the copy; belongs to the distributed transaction.
    pub fn start(node: NodeId, sql: &str) -> CopyIn {
        let _ = sql;
        CopyIn { node }
    }

    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Sends data; waits when the node does not keep up.
    pub fn send(&mut self, data: &[u8]) {
        let _ = data;
        unimplemented!()
    }

    /// Ends the copy: rows stored.
    pub fn finish(self) -> u64 {
        unimplemented!()
    }
}

/// A connection outside the distributed transaction to a server that need not be a node yet (checks of `cluster_expand`).
pub fn run_at(host: &str, port: i32, sql: &str) -> Result<Rows, String> {
    let _ = (host, port, sql);
    unimplemented!()
}
