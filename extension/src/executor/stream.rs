//! Statements in flight and their rows.
//!
//! # How it works
//! A [`Stream`] reads its rows straight from the connection. When somebody else needs the connection, the reader first takes
//! the rows that are left ([`detach`]); it then reads from its own buffer.
//!
//! # Unwind safety
//! Dropping a stream whose rows are not all read cancels the statement; the rest is thrown away when the connection is
//! used next, or by the end of the transaction.

use super::connection::{Answer, Connection};
use super::libpq::ResultSet;
use super::remote::{Access, Command};
use super::{pool, wait};
use crate::catalog::NodeId;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// The reading side of a statement, shared with its connection while rows arrive.
pub struct Reader {
    current: Option<Current>,
    /// Rows taken over before somebody else got the connection, each packed as (length or -1, bytes)*.
    kept: VecDeque<Vec<u8>>,
    affected: u64,
    complete: bool,
    ended: bool,
}

enum Current {
    Wire(ResultSet),
    Kept(Vec<Option<(usize, usize)>>, Vec<u8>),
}

/// A statement in flight; dropped early, it is cancelled and its rows are thrown away.
pub struct Stream {
    node: NodeId,
    connection: Rc<RefCell<Connection>>,
    reader: Rc<RefCell<Reader>>,
    shared: bool,
}

impl Stream {
    /// Sends the statement and returns at once.
    pub fn start(node: NodeId, access: Access, command: &Command) -> Stream {
        let connection = pool::connection(node);
        let reader = Rc::new(RefCell::new(Reader {
            current: None,
            kept: VecDeque::new(),
            affected: 0,
            complete: false,
            ended: false,
        }));
        {
            let mut connection = connection.borrow_mut();
            release(&mut connection);
            crate::transaction::begin(&mut connection, access);
            connection.push_main(command);
            connection.reader = Some(reader.clone());
        }
        let shared = access == Access::ReadShared;
        if shared {
            pool::shared_read_begins();
        }
        Stream {
            node,
            connection,
            reader,
            shared,
        }
    }

    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Waits for the next row; false at the end. The row is then read by [`Stream::value`].
    pub fn advance(&mut self) -> bool {
        loop {
            match self.try_advance() {
                Some(more) => return more,
                None => {
                    self.connection.borrow().wait(None, false);
                }
            }
        }
    }

    /// The same without waiting; `None`: nothing there yet.
    pub fn try_advance(&mut self) -> Option<bool> {
        let mut reader = self.reader.borrow_mut();
        if let Some(row) = reader.kept.pop_front() {
            reader.current = Some(unpack(row));
            return Some(true);
        }
        reader.current = None;
        if reader.ended {
            return Some(false);
        }
        let mut connection = self.connection.borrow_mut();
        loop {
            match connection.poll() {
                Answer::Row(result) => {
                    reader.current = Some(Current::Wire(result));
                    return Some(true);
                }
                Answer::Complete(result) => {
                    reader.affected = result.affected();
                    reader.complete = true;
                }
                Answer::Wait => return None,
                Answer::EndOfRound if !reader.complete && connection.failure.is_none() => {
                    // The end of an earlier round.
                }
                Answer::EndOfRound | Answer::Idle | Answer::Lost => {
                    reader.ended = true;
                    connection.reader = None;
                    drop(reader);
                    connection.raise_failure();
                    return Some(false);
                }
            }
        }
    }

    /// A column (from 0) of the current row; `None` is NULL. Valid until the next `advance`.
    pub fn value(&self, column: usize) -> Option<&[u8]> {
        // SAFETY: the reader is only changed through `&mut self` (advance) or by `detach`, which leaves `current`
        // alone, so the bytes stay where they are while `&self` is borrowed.
        let reader = unsafe { &*self.reader.as_ptr() };
        match reader.current.as_ref()? {
            Current::Wire(result) => result.value(0, column),
            Current::Kept(columns, bytes) => columns
                .get(column)
                .copied()
                .flatten()
                .map(|(start, end)| &bytes[start..end]),
        }
    }

    /// Columns of the current row.
    pub fn columns(&self) -> usize {
        match &self.reader.borrow().current {
            Some(Current::Wire(result)) => result.columns(),
            Some(Current::Kept(columns, _)) => columns.len(),
            None => 0,
        }
    }

    /// After the end: rows inserted, updated or deleted (or selected).
    pub fn affected(&self) -> u64 {
        self.reader.borrow().affected
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.shared {
            pool::shared_read_ends();
        }
        let (Ok(mut reader), Ok(mut connection)) = (
            self.reader.try_borrow_mut(),
            self.connection.try_borrow_mut(),
        ) else {
            return;
        };
        reader.current = None;
        if reader.ended {
            return;
        }
        reader.ended = true;
        connection.reader = None;
        if connection.handle.alive() && !connection.steps.is_empty() {
            connection.handle.cancel();
        }
        connection.discard = true;
    }
}

/// Makes the connection free for another statement: a reader takes over the rows that are left, a copy is ended.
pub fn release(connection: &mut Connection) {
    if let Some(copy) = connection.copy.take() {
        copy.borrow_mut().suspend(connection);
    }
    if connection.discard {
        connection.discard = false;
        connection.finish_round();
        connection.failure = None;
    }
    if let Some(reader) = connection.reader.take() {
        detach(connection, &mut reader.borrow_mut());
    }
}

fn detach(connection: &mut Connection, reader: &mut Reader) {
    loop {
        match connection.poll() {
            Answer::Row(result) => reader.kept.push_back(pack(&result)),
            Answer::Complete(result) => {
                reader.affected = result.affected();
                reader.complete = true;
            }
            Answer::Wait => {
                connection.wait(None, false);
            }
            Answer::EndOfRound if !reader.complete && connection.failure.is_none() => {}
            Answer::EndOfRound | Answer::Idle | Answer::Lost => {
                reader.ended = true;
                connection.raise_failure();
                return;
            }
        }
    }
}

fn pack(result: &ResultSet) -> Vec<u8> {
    let mut row = Vec::new();
    for column in 0..result.columns() {
        match result.value(0, column) {
            None => row.extend_from_slice(&(-1i32).to_ne_bytes()),
            Some(bytes) => {
                row.extend_from_slice(&(bytes.len() as i32).to_ne_bytes());
                row.extend_from_slice(bytes);
                // Text values are read as C strings.
                row.push(0);
            }
        }
    }
    row
}

fn unpack(row: Vec<u8>) -> Current {
    let mut columns = Vec::new();
    let mut at = 0;
    while let Some(length) = row.get(at..at + 4) {
        let length = i32::from_ne_bytes(length.try_into().expect("four bytes"));
        at += 4;
        if length < 0 {
            columns.push(None);
        } else {
            columns.push(Some((at, at + length as usize)));
            at += length as usize + 1;
        }
    }
    Current::Kept(columns, row)
}

/// Waits until one of the streams has a row and advances to it: its index; `None` when all have ended.
pub fn advance_any(streams: &mut [Stream]) -> Option<usize> {
    loop {
        let mut waiting = Vec::new();
        for (index, stream) in streams.iter_mut().enumerate() {
            match stream.try_advance() {
                Some(true) => return Some(index),
                Some(false) => {}
                None => {
                    let connection = stream.connection.borrow();
                    let unsent = connection.handle.flush() == 1;
                    let events = wait::READABLE | if unsent { wait::WRITABLE } else { 0 };
                    waiting.push((connection.handle.socket(), events));
                }
            }
        }
        if waiting.is_empty() {
            return None;
        }
        wait::wait_any(&waiting, None, false);
    }
}
