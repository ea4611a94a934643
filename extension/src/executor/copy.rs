//! `COPY ... FROM STDIN` into a node.
//!
//! # How it works
//! COPY needs the connection for itself and leaves pipeline mode. When another statement needs the connection, the COPY is
//! ended ([`Target::suspend`]) and begun again by the next data, so callers may send and query in any order.

use super::connection::{c_text, Connection};
use super::libpq::Status;
use super::remote::Access;
use super::wait::{wait, READABLE, WRITABLE};
use super::{pool, stream};
use crate::catalog::NodeId;
use std::cell::RefCell;
use std::rc::Rc;

/// What a connection knows of its running COPY.
pub struct Target {
    running: bool,
    stored: u64,
}

/// A copy into one node; belongs to the distributed transaction.
pub struct CopyIn {
    node: NodeId,
    sql: String,
    connection: Rc<RefCell<Connection>>,
    target: Rc<RefCell<Target>>,
}

impl CopyIn {
    /// Starts the copy.
    pub fn start(node: NodeId, sql: &str) -> CopyIn {
        let copy = CopyIn {
            node,
            sql: sql.to_owned(),
            connection: pool::connection(node),
            target: Rc::new(RefCell::new(Target {
                running: false,
                stored: 0,
            })),
        };
        copy.begin();
        copy
    }

    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Sends data (whole rows, in the format of the statement); waits when the node does not keep up.
    pub fn send(&mut self, data: &[u8]) {
        if !self.target.borrow().running {
            self.begin();
        }
        let connection = self.connection.borrow();
        loop {
            match connection.handle.put_copy(data) {
                1 => break,
                0 => {
                    connection.handle.flush();
                    wait(connection.handle.socket(), READABLE | WRITABLE, None, false);
                    connection.check(connection.handle.consume());
                }
                _ => connection.check(false),
            }
        }
        connection.handle.flush();
    }

    /// Ends the copy: rows stored.
    pub fn finish(self) -> u64 {
        let mut connection = self.connection.borrow_mut();
        connection.copy = None;
        self.target.borrow_mut().suspend(&mut connection);
        self.target.borrow().stored
    }

    fn begin(&self) {
        let mut connection = self.connection.borrow_mut();
        stream::release(&mut connection);
        crate::transaction::begin(&mut connection, Access::Write);
        if !connection.steps.is_empty() {
            connection.end_round();
        }
        connection.finish_round();
        connection.raise_failure();
        connection.check(connection.handle.exit_pipeline());
        connection.check(connection.handle.send_simple(&c_text(&self.sql)));
        match next_result(&connection) {
            Some(result) if result.status() == Status::PGRES_COPY_IN => {}
            Some(result) => {
                connection.failure = Some(result.error());
                end(&mut connection);
            }
            None => connection.check(false),
        }
        connection.copy = Some(self.target.clone());
        self.target.borrow_mut().running = true;
    }
}

impl Target {
    /// Ends the COPY so that the connection can serve another statement.
    pub fn suspend(&mut self, connection: &mut Connection) {
        if !self.running {
            return;
        }
        self.running = false;
        while connection.handle.end_copy(None) == 0 {
            wait(connection.handle.socket(), READABLE | WRITABLE, None, false);
            connection.check(connection.handle.consume());
        }
        match next_result(connection) {
            Some(result) if result.status() == Status::PGRES_COMMAND_OK => {
                self.stored += result.affected();
            }
            Some(result) => connection.failure = Some(result.error()),
            None => connection.check(false),
        }
        end(connection);
    }
}

impl Drop for CopyIn {
    fn drop(&mut self) {
        let (Ok(mut connection), Ok(mut target)) = (
            self.connection.try_borrow_mut(),
            self.target.try_borrow_mut(),
        ) else {
            return;
        };
        if target.running {
            // Only an error leads here: the transaction ends, and with it the COPY.
            target.running = false;
            connection.copy = None;
            connection.broken = true;
        }
    }
}

/// Reads up to the end of the COPY, goes back to pipeline mode and raises what went wrong.
fn end(connection: &mut Connection) {
    while next_result(connection).is_some() {}
    connection.check(connection.handle.enter_pipeline());
    connection.raise_failure();
}

fn next_result(connection: &Connection) -> Option<super::libpq::ResultSet> {
    while connection.handle.busy() {
        let events = if connection.handle.flush() == 1 {
            READABLE | WRITABLE
        } else {
            READABLE
        };
        wait(connection.handle.socket(), events, None, false);
        connection.check(connection.handle.consume());
    }
    connection.handle.result()
}
