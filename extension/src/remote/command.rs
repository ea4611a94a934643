//! Running statements on other nodes: the interface that scans, writes and schema changes use.
//!
//! Everything here waits interruptibly and raises a node's error as that node reported it, with the node in the
//! context. Connections belong to the backend, one for each (node, user).

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
    /// One statement; several, separated by semicolons, only without parameters, in text and not prepared.
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
