//! One connection to a node: sending statements, taking results in order.
//!
//! # How it works
//! The connection stays in libpq's pipeline mode. Each round (`prefixes, statement, sync`) is sent at once, so that BEGIN,
//! SAVEPOINT, settings and PREPARE cost no round trip of their own. `steps` holds what is still to be
//! answered, oldest first.
//!
//! # Invariants
//! At most one statement's rows are being read (`reader`); before another is sent, the reader takes the rest of
//! its rows over ([`super::stream`]).
//!
//! # What is not guaranteed
//! Order between connections.

use super::libpq::{Connecting, Handle, ResultSet, Status};
use super::settings::Settings;
use super::stream::Reader;
use super::wait::{wait, READABLE, WRITABLE};
use crate::catalog::{Node, NodeId};
use crate::error::{Error, Raised};
use pgrx::pg_sys::{self, Oid};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::ffi::{CStr, CString};
use std::os::raw::c_char;
use std::rc::Rc;

/// Statements kept prepared on one connection before all are thrown away.
const MAX_PREPARED: usize = 1000;

/// What the next answers on the wire belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A prefix; only its error matters.
    Prefix,
    /// The statement whose rows the reader wants.
    Main,
    /// The end of a round.
    Sync,
}

/// How long the remote transaction lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    None,
    /// As long as one local statement: its reads share a snapshot.
    Statement,
    /// As long as the local transaction.
    Transaction,
}

pub struct Connection {
    pub handle: Handle,
    pub node: NodeId,
    pub node_name: String,
    pub steps: VecDeque<Step>,
    pub reader: Option<Rc<RefCell<Reader>>>,
    /// The running COPY, which gives way to other statements.
    pub copy: Option<Rc<RefCell<super::copy::Target>>>,
    /// In an unknown state: closed as soon as the transaction ends.
    pub broken: bool,
    /// Rows of a cancelled statement are still to be thrown away.
    pub discard: bool,
    /// The statement whose snapshot the open transaction holds has ended.
    pub stale_snapshot: bool,
    /// Host and port, to notice that a node has moved.
    pub address: (String, i32),
    pub scope: Scope,
    /// Remote nest level: 1 after BEGIN, one more for each savepoint.
    pub depth: i32,
    pub wrote: bool,
    /// Prepared under this name in two-phase commit.
    pub prepared_as: Option<String>,
    /// The first error of the round that is being answered.
    pub failure: Option<Raised>,
    pub settings: Settings,
    statements: HashMap<String, CString>,
    next_statement: u64,
    /// Statements prepared on the node, also those this side has forgotten.
    prepared: usize,
    notices: Box<Vec<Raised>>,
}

impl Connection {
    /// Connects to a node as the current user; raises when that fails.
    pub fn open(node: &Node) -> Connection {
        let unreachable = |reason: String| Error::Unreachable {
            node: node.name.clone(),
            host: node.host.clone(),
            port: node.port,
            reason,
        };
        let (login, role) = super::identity::login();
        let handle = match connect(&node.host, node.port, &login, true) {
            Ok(handle) => handle,
            Err(reason) => unreachable(reason).raise(),
        };
        let mut notices = Box::new(Vec::new());
        handle.collect_notices(&mut *notices);
        if !handle.set_nonblocking() || !handle.enter_pipeline() {
            unreachable(handle.message()).raise();
        }
        let mut connection = Connection {
            handle,
            node: node.id,
            node_name: node.name.clone(),
            steps: VecDeque::new(),
            reader: None,
            copy: None,
            broken: false,
            discard: false,
            stale_snapshot: false,
            address: (node.host.clone(), node.port),
            scope: Scope::None,
            depth: 0,
            wrote: false,
            prepared_as: None,
            failure: None,
            settings: Settings::default(),
            statements: HashMap::new(),
            next_statement: 0,
            prepared: 0,
            notices,
        };
        if let Some(role) = role {
            connection.push(&format!("SET ROLE {}", super::quote_identifier(&role)));
            connection.end_round();
            connection.finish_round();
            connection.raise_failure();
        }
        connection
    }

    /// Adds a prefix to the round.
    pub fn push(&mut self, sql: &str) {
        let text = c_text(sql);
        self.check(self.handle.send(&text, false, &[], &[], false));
        self.steps.push_back(Step::Prefix);
    }

    /// The same where nothing may be raised: false when the connection does not take it.
    pub fn try_push(&mut self, sql: &str) -> bool {
        let sent = self.handle.send(&c_text(sql), false, &[], &[], false);
        if sent {
            self.steps.push_back(Step::Prefix);
        }
        sent
    }

    /// [`Connection::end_round`] where nothing may be raised.
    pub fn try_end_round(&mut self) {
        if self.handle.sync() {
            self.steps.push_back(Step::Sync);
            self.handle.flush();
        } else {
            self.broken = true;
        }
    }

    /// Adds the statement to the round and ends it.
    pub fn push_main(&mut self, command: &super::remote::Command) {
        let first = self.steps.is_empty();
        let values: Vec<Option<CString>> = command
            .params
            .iter()
            .map(|value| {
                value
                    .as_ref()
                    .map(|v| CString::new(v.as_slice()).unwrap_or_default())
            })
            .collect();
        let params: Vec<*const c_char> = values
            .iter()
            .map(|v| v.as_ref().map_or(std::ptr::null(), |v| v.as_ptr()))
            .collect();
        let sent = if command.prepare {
            let name = self.prepare(command.sql, command.param_types);
            self.handle.send(&name, true, &[], &params, command.binary)
        } else {
            self.handle.send(
                &c_text(command.sql),
                false,
                command.param_types,
                &params,
                command.binary,
            )
        };
        self.check(sent);
        self.steps.push_back(Step::Main);
        if first && self.steps.len() == 1 {
            self.handle.single_row_mode();
        }
        self.end_round();
    }

    fn prepare(&mut self, sql: &str, types: &[Oid]) -> CString {
        // The same text always comes with the same parameter types.
        if let Some(name) = self.statements.get(sql) {
            return name.clone();
        }
        self.prepared += 1;
        if self.prepared > MAX_PREPARED {
            self.prepared = 1;
            self.statements.clear();
            self.push("DEALLOCATE ALL");
        }
        self.next_statement += 1;
        let name = c_text(&format!("expanse_{}", self.next_statement));
        self.check(self.handle.send_prepare(&name, &c_text(sql), types));
        self.steps.push_back(Step::Prefix);
        self.statements.insert(sql.to_owned(), name.clone());
        name
    }

    /// Closes the round; the node begins to answer.
    pub fn end_round(&mut self) {
        self.check(self.handle.sync());
        self.steps.push_back(Step::Sync);
        // What the socket does not take at once goes out while answers are waited for.
        self.handle.flush();
    }

    /// Takes the next row of the main statement, if one is there without waiting.
    /// `Ok(None)`: nothing to read yet.
    pub fn poll(&mut self) -> Answer {
        loop {
            if self.steps.is_empty() {
                return Answer::Idle;
            }
            if self.handle.busy() {
                if !self.handle.consume() {
                    return self.lost();
                }
                if self.handle.busy() {
                    return Answer::Wait;
                }
            }
            match self.handle.result() {
                None => {
                    if !self.handle.alive() {
                        return self.lost();
                    }
                    self.steps.pop_front();
                    if self.steps.front() == Some(&Step::Main) {
                        self.handle.single_row_mode();
                    }
                }
                Some(result) => match result.status() {
                    Status::PGRES_SINGLE_TUPLE => return Answer::Row(result),
                    Status::PGRES_TUPLES_OK | Status::PGRES_COMMAND_OK => {
                        if self.steps.front() == Some(&Step::Main) {
                            return Answer::Complete(result);
                        }
                    }
                    Status::PGRES_PIPELINE_SYNC => {
                        self.steps.pop_front();
                        if self.steps.front() == Some(&Step::Main) {
                            self.handle.single_row_mode();
                        }
                        return Answer::EndOfRound;
                    }
                    Status::PGRES_PIPELINE_ABORTED => {}
                    _ => {
                        let error = result.error();
                        self.failure.get_or_insert(error);
                    }
                },
            }
        }
    }

    /// Waits until something arrives (and sends what is still unsent).
    pub fn wait(&self, timeout_ms: Option<i64>, uninterruptible: bool) -> super::wait::Woken {
        let events = if self.handle.flush() == 1 {
            READABLE | WRITABLE
        } else {
            READABLE
        };
        wait(self.handle.socket(), events, timeout_ms, uninterruptible)
    }

    /// Takes all answers that are outstanding, throwing rows away.
    pub fn finish_round(&mut self) {
        loop {
            match self.poll() {
                Answer::Idle | Answer::Lost => return,
                Answer::Wait => {
                    self.wait(None, false);
                }
                _ => {}
            }
        }
    }

    /// The same while a transaction ends: gives up after `timeout_ms`. False: the connection is of no use any more.
    pub fn finish_quietly(&mut self, timeout_ms: i64) -> bool {
        let start = std::time::Instant::now();
        loop {
            match self.poll() {
                Answer::Idle => return true,
                Answer::Lost => return false,
                Answer::Wait => {
                    let left = timeout_ms - start.elapsed().as_millis() as i64;
                    if left <= 0 {
                        return false;
                    }
                    self.wait(Some(left), true);
                }
                _ => {}
            }
        }
    }

    /// Raises the error of the round, if there was one.
    pub fn raise_failure(&mut self) {
        self.emit_notices();
        if let Some(error) = self.take_failure() {
            error.raise();
        }
    }

    /// The error of the round with this node in its context.
    pub fn take_failure(&mut self) -> Option<Raised> {
        let mut error = self.failure.take()?;
        // A statement that could not be prepared, or whose plan went out of date, is prepared anew next time.
        self.statements.clear();
        let here = format!("while executing on node \"{}\"", self.node_name);
        error.context = Some(match error.context.take() {
            Some(context) => format!("{context}\n{here}"),
            None => here,
        });
        Some(error)
    }

    /// Passes the node's notices on to the client.
    pub fn emit_notices(&mut self) {
        for notice in std::mem::take(&mut *self.notices) {
            notice.emit();
        }
    }

    /// No answer outstanding, nothing open: free for anything.
    pub fn idle(&self) -> bool {
        self.steps.is_empty() && self.scope == Scope::None
    }

    /// Has the node closed this (idle) connection?
    pub fn hung_up(&self) -> bool {
        self.steps.is_empty() && !self.handle.consume()
    }

    pub fn check(&self, sent: bool) {
        if !sent {
            Error::ConnectionLost {
                node: self.node_name.clone(),
                reason: self.handle.message(),
            }
            .raise();
        }
    }

    fn lost(&mut self) -> Answer {
        self.steps.clear();
        let error = Error::ConnectionLost {
            node: self.node_name.clone(),
            reason: self.handle.message(),
        };
        self.failure.get_or_insert_with(|| error.into_raised());
        Answer::Lost
    }
}

/// One answer of [`Connection::poll`].
pub enum Answer {
    /// Nothing outstanding.
    Idle,
    /// Nothing there yet.
    Wait,
    /// A row of the main statement.
    Row(ResultSet),
    /// The main statement has ended.
    Complete(ResultSet),
    EndOfRound,
    Lost,
}

/// Connects to a server; `internal` marks the session as one that executes fragments.
pub fn connect(host: &str, port: i32, user: &str, internal: bool) -> Result<Handle, String> {
    let timeout = crate::state::guc::CONNECT_TIMEOUT.get();
    let options = if internal {
        "-c expanse.internal=on"
    } else {
        ""
    };
    let parameters = [
        (c"host", c_text(host)),
        (c"port", c_text(&port.to_string())),
        (c"user", c_text(user)),
        (c"dbname", c_text(&super::identity::database())),
        (c"application_name", c_text("expanse")),
        (c"client_encoding", c_text(&super::identity::encoding())),
        (c"options", c_text(options)),
        (c"tcp_user_timeout", c_text("10000")),
        (c"keepalives_idle", c_text("10")),
        (c"keepalives_interval", c_text("5")),
    ];
    let handle = Handle::start(&parameters).ok_or("out of memory")?;
    let deadline = std::time::Instant::now() + std::time::Duration::from_millis(timeout as u64);
    let mut events = WRITABLE;
    loop {
        if !handle.alive() && handle.socket() < 0 {
            return Err(handle.message());
        }
        let left = deadline
            .saturating_duration_since(std::time::Instant::now())
            .as_millis() as i64;
        if left == 0 {
            return Err(format!("no answer within {timeout} ms"));
        }
        wait(handle.socket(), events, Some(left), false);
        match handle.poll_connect() {
            Connecting::Readable => events = READABLE,
            Connecting::Writable => events = WRITABLE,
            Connecting::Done => return Ok(handle),
            Connecting::Failed => return Err(handle.message()),
        }
    }
}

/// SQL text for libpq; a NUL byte can not occur in PostgreSQL's own text.
pub fn c_text(text: &str) -> CString {
    CString::new(text).unwrap_or_else(|_| {
        CStr::from_bytes_until_nul(b"\0")
            .expect("one NUL byte")
            .to_owned()
    })
}

/// The nest level of the local transaction.
pub fn local_depth() -> i32 {
    // SAFETY: reads a counter of the backend.
    unsafe { pg_sys::GetCurrentTransactionNestLevel() }
}
