//! `COPY ... FROM STDIN` into a node.
//!
//! # How it works
//! While it runs, a COPY has the connection for itself. When another statement needs the connection, the COPY is ended
//! ([`Connection::settle`]) and begun anew by the next data, so callers may send and query in any order.

use crate::metadata::cache::NodeId;
use crate::remote::command::{Access, Command};
use crate::remote::connection::{Connection, Results};
use crate::remote::pool;
use crate::transaction::participant;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// So much, in bytes, may be queued before the node has to take it.
const QUEUE: usize = 64 << 10;

/// A COPY in progress; dropped without [`CopyIn::finish`], it fails on the node.
pub struct CopyIn {
    node: NodeId,
    sql: String,
    connection: Rc<RefCell<Connection>>,
    /// Shared with the connection, which clears it when it ends the COPY for another statement.
    running: Rc<Cell<bool>>,
    results: Rc<RefCell<Results>>,
    /// Rows stored by the COPYs that gave way.
    stored: u64,
    queued: usize,
}

impl CopyIn {
    /// Starts the copy; belongs to the distributed transaction.
    pub fn start(node: NodeId, sql: &str) -> CopyIn {
        let mut copy = CopyIn {
            node,
            sql: sql.to_owned(),
            connection: pool::connection(node),
            running: Rc::default(),
            results: Rc::default(),
            stored: 0,
            queued: 0,
        };
        copy.begin();
        copy
    }

    fn begin(&mut self) {
        self.stored += self.results.borrow().affected;
        self.connection = pool::connection(self.node);
        let mut connection = self.connection.borrow_mut();
        let prelude = participant::enlist(&mut connection, Access::Write);
        self.results = connection.send(prelude, &Command::text(&self.sql));
        connection.await_copy_in(&self.running);
        self.running.set(true);
    }

    /// Sends data (whole rows, in the format of the statement); waits when the node does not keep up.
    pub fn send(&mut self, data: &[u8]) {
        if !self.running.get() {
            self.begin();
        }
        let mut connection = self.connection.borrow_mut();
        for piece in data.chunks(QUEUE) {
            while !connection.accepted(|pq| pq.put_copy(piece)) {
                connection.wait();
            }
            self.queued += piece.len();
            if self.queued >= QUEUE {
                while !connection.accepted(|pq| pq.flush()) {
                    connection.wait();
                }
                self.queued = 0;
            }
        }
    }

    /// Ends the copy: rows stored.
    pub fn finish(mut self) -> u64 {
        if self.running.take() {
            let mut connection = self.connection.borrow_mut();
            connection.end_copy();
            while connection.pull(&self.results).is_some() {}
        }
        let mut results = self.results.borrow_mut();
        if let Some(failure) = results.failure.take() {
            failure.raise();
        }
        let stored = results.affected;
        drop(results);
        self.stored += stored;
        self.stored
    }
}

impl Drop for CopyIn {
    fn drop(&mut self) {
        if !self.running.get() {
            return;
        }
        // Must not raise: the answer is consumed by the next use of the connection, or by the abort.
        if let Ok(mut connection) = self.connection.try_borrow_mut() {
            if !connection.lost && connection.runs(&self.results) {
                connection.pq.end_copy(Some(c"the COPY was given up"));
                connection.pq.flush();
            }
        }
    }
}
