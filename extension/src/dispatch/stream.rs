//! A statement in flight and its rows.

use crate::metadata::cache::NodeId;
use crate::pg::wait::{check_for_interrupts, ending};
use crate::remote::command::{Access, Command};
use crate::remote::connection::{Connection, Pulled, Results};
use crate::remote::libpq::Answer;
use crate::remote::spill::Popped;
use crate::remote::{pool, sockets};
use crate::transaction::participant;
use expanse_core::kept_row::KeptRow;
use pgrx::pg_sys::SubTransactionId;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

/// A statement in flight; dropped early, its rows are thrown away.
pub struct Stream {
    node: NodeId,
    connection: Rc<RefCell<Connection>>,
    results: Rc<RefCell<Results>>,
    current: Current,
    from_file: KeptRow,
}

/// Where the current row is.
enum Current {
    None,
    Memory { answer: Answer, row: usize },
    File,
}

impl Stream {
    /// Sends the statement and returns at once.
    pub fn start(node: NodeId, access: Access, command: &Command) -> Stream {
        let connection = pool::connection(node);
        let results = {
            let mut connection = connection.borrow_mut();
            let prelude = participant::enlist(&mut connection, access);
            connection.send(prelude, command)
        };
        Stream {
            node,
            connection,
            results,
            current: Current::None,
            from_file: KeptRow::default(),
        }
    }

    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Waits for the next row; false at the end. The row is then read by [`Stream::value`].
    pub fn advance(&mut self) -> bool {
        if let Some(found) = self.advance_buffered() {
            return found;
        }
        let pulled = self.connection.borrow_mut().pull(&self.results);
        match pulled {
            Some(answer) => {
                self.current = Current::Memory { answer, row: 0 };
                true
            }
            None => self.end(),
        }
    }

    /// Advances to a row that is already here; `None` when one has to be waited for.
    fn advance_buffered(&mut self) -> Option<bool> {
        if let Current::Memory { answer, row } = &mut self.current {
            *row += 1;
            if *row < answer.rows() {
                return Some(true);
            }
        }
        self.current = Current::None;
        let popped = self.results.borrow_mut().buffer.pop(&mut self.from_file);
        match popped {
            Popped::Memory(answer) => {
                self.current = Current::Memory { answer, row: 0 };
                Some(true)
            }
            Popped::File => {
                self.current = Current::File;
                Some(true)
            }
            Popped::Nothing if self.results.borrow().ended => Some(self.end()),
            Popped::Nothing => None,
        }
    }

    /// As [`Stream::advance`], but `None` instead of waiting.
    fn try_advance(&mut self) -> Option<bool> {
        if let Some(found) = self.advance_buffered() {
            return Some(found);
        }
        let pulled = self.connection.borrow_mut().try_pull(&self.results);
        match pulled {
            Pulled::Rows(answer) => {
                self.current = Current::Memory { answer, row: 0 };
                Some(true)
            }
            Pulled::Ended => Some(self.end()),
            Pulled::Blocked => None,
        }
    }

    fn end(&mut self) -> bool {
        self.current = Current::None;
        let failure = self.results.borrow_mut().failure.take();
        match failure {
            Some(failure) => failure.raise(),
            None => false,
        }
    }

    /// A column (from 0) of the current row; `None` is NULL. Valid until the next `advance`.
    pub fn value(&self, column: usize) -> Option<&[u8]> {
        match &self.current {
            Current::Memory { answer, row } => answer.value(*row, column),
            Current::File => self.from_file.value(column),
            Current::None => None,
        }
    }

    /// After the end: rows inserted, updated or deleted.
    pub fn affected(&self) -> u64 {
        self.results.borrow().affected
    }

    /// Columns of the current row.
    pub fn columns(&self) -> usize {
        match &self.current {
            Current::Memory { answer, .. } => answer.columns(),
            Current::File => self.from_file.columns(),
            Current::None => 0,
        }
    }

    /// The current row as text.
    pub fn texts(&self) -> Vec<Option<String>> {
        (0..self.columns())
            .map(|column| self.value(column))
            .map(|value| value.map(|value| String::from_utf8_lossy(value).into_owned()))
            .collect()
    }

    /// Keeps the node's notices from the client: they repeat what this node says itself.
    pub fn without_notices(self) -> Stream {
        self.results.borrow_mut().quiet = true;
        self
    }

    /// Says that its reader began in this subtransaction, which may be an outer one.
    pub fn of(self, subtransaction: SubTransactionId) -> Stream {
        self.results.borrow_mut().owner = subtransaction;
        self
    }

    fn ended(&self) -> bool {
        self.results.borrow().ended
    }
}

impl Drop for Stream {
    /// Outside a transaction a statement without a reader is cancelled. Inside one that would break the
    /// transaction: its rows are thrown away when the connection is needed next.
    fn drop(&mut self) {
        if self
            .results
            .try_borrow()
            .map_or(true, |results| results.ended)
        {
            return;
        }
        let Ok(mut connection) = self.connection.try_borrow_mut() else {
            return;
        };
        if connection.participant.in_transaction() || !connection.runs(&self.results) {
            return;
        }
        if !connection.has_ended_by(Instant::now()) && !connection.lost {
            connection.pq.cancel();
        }
    }
}

/// Waits until one of the streams has a row and advances to it: its index; `None` when all have ended.
pub fn advance_any(streams: &mut [Stream]) -> Option<usize> {
    loop {
        let mut open = false;
        for (index, stream) in streams.iter_mut().enumerate() {
            match stream.try_advance() {
                Some(true) => return Some(index),
                Some(false) => {}
                None => open = true,
            }
        }
        if !open {
            return None;
        }
        wait_for_any(streams);
    }
}

fn wait_for_any(streams: &[Stream]) {
    let mut open: Vec<&Stream> = streams.iter().filter(|stream| !stream.ended()).collect();
    if let [only] = open.as_slice() {
        only.connection.borrow_mut().wait();
        return;
    }
    let mut writing = false;
    for stream in &open {
        writing |= stream.connection.borrow_mut().pq.flush() == Some(false);
    }
    let sockets_open: Vec<i32> = open
        .iter()
        .map(|stream| stream.connection.borrow().pq.socket())
        .collect();
    sockets::wait_for(sockets_open, writing);
    if ending() {
        for stream in &open {
            stream.connection.borrow().pq.cancel();
        }
    }
    check_for_interrupts();
    for stream in &mut open {
        stream.connection.borrow_mut().pq.consume();
    }
}
