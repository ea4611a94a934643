//! A connection to another node: sends batches, receives results, knows what is still to come.
//!
//! # How it works
//! A statement alone is sent as it is. When something has to precede it (settings, BEGIN, savepoints, its
//! preparation) all of it goes out as one libpq pipeline: one round trip in any case. `expected` lists
//! the answers that are to come; [`Connection::poll`] consumes them without blocking.
//!
//! # Invariants
//! A new batch is only sent when `expected` is empty ([`Connection::settle`] sees to it, moving rows of a
//! statement that still streams into that statement's own buffer). A connection that is `lost` is never used again.
//!
//! # Unwind safety
//! Waiting can unwind at any point (cancel). The state is then one in which answers are outstanding; the abort
//! callback of the transaction consumes them or closes the connection.

use super::libpq::{c_string, Answer, Kind, Pq, Values};
use super::remote::Command;
use super::settings::Settings;
use super::spill::Spill;
use super::statements::Statements;
use super::wait::{check_for_interrupts, ending, interrupted, WaitSet};
use crate::catalog::{Node, NodeId};
use crate::error::{Error, Raised};
use crate::transaction::participant::Participant;
use pgrx::pg_sys::{Oid, SubTransactionId};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::CString;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A connection used this lately is taken to be alive.
const STEADY: Duration = Duration::from_millis(10);

/// An answer that is to come.
enum Expected {
    /// Of a statement that only prepares for another.
    Setup,
    /// Of the preparation of this text.
    Preparation(Rc<str>, Vec<Oid>, Rc<CString>),
    /// The rows of the statement itself.
    Statement,
    /// Of a text of several statements, the first `skip` of which only prepare.
    Script { skip: usize },
    /// The end of a pipeline's batch.
    Sync,
}

/// What [`Connection::poll`] found.
pub enum Event {
    Rows(Answer),
    CopyIn,
    /// Everything expected has arrived.
    Finished,
    /// Nothing more has arrived yet.
    Blocked,
    Lost,
}

/// What a statement has answered, shared by its [`super::stream::Stream`] and the connection it runs on.
#[derive(Default)]
pub struct Results {
    pub buffer: Spill,
    pub ended: bool,
    pub affected: u64,
    pub tag: String,
    pub failure: Option<Raised>,
    /// The subtransaction in which its reader began.
    pub owner: SubTransactionId,
    /// Its notices are not passed on: they say what this node says itself.
    pub quiet: bool,
}

pub struct Connection {
    pub pq: Pq,
    pub node: NodeId,
    pub node_name: String,
    pub user: Oid,
    pub host: String,
    pub port: i32,
    pub participant: Participant,
    pub lost: bool,
    pub settings: Settings,
    waiter: Option<WaitSet>,
    statements: Statements,
    deallocate: Vec<Rc<CString>>,
    values: Values,
    expected: VecDeque<Expected>,
    pipelined: bool,
    failure: Option<Raised>,
    affected: u64,
    tag: String,
    pub(super) live: Option<Rc<RefCell<Results>>>,
    /// Set while a COPY runs.
    copy: Option<Rc<Cell<bool>>>,
    used_at: Instant,
    /// The running statement commits by itself, so that losing the connection leaves its outcome unknown.
    pub commits_alone: bool,
}

impl Connection {
    pub fn new(pq: Pq, node: &Node, user: Oid) -> Connection {
        let waiter = Some(WaitSet::new(vec![pq.socket()]));
        Connection {
            pq,
            node: node.id,
            node_name: node.name.clone(),
            user,
            host: node.host.clone(),
            port: node.port,
            participant: Participant::default(),
            lost: false,
            settings: Settings::default(),
            waiter,
            statements: Statements::default(),
            deallocate: Vec::new(),
            values: Values::default(),
            expected: VecDeque::new(),
            pipelined: false,
            failure: None,
            affected: 0,
            tag: String::new(),
            live: None,
            copy: None,
            used_at: Instant::now(),
            commits_alone: false,
        }
    }

    /// Are these the results of the running statement?
    pub fn runs(&self, results: &Rc<RefCell<Results>>) -> bool {
        !self.idle()
            && self
                .live
                .as_ref()
                .is_some_and(|live| Rc::ptr_eq(live, results))
    }

    /// Is nothing outstanding?
    pub fn idle(&self) -> bool {
        self.expected.is_empty()
    }

    /// Is what is outstanding the answer to a command that was sent for its effect only?
    pub fn runs_control(&self) -> bool {
        !self.idle() && self.live.is_none()
    }

    /// Sends `prelude`, then the statement. Nothing may be outstanding.
    pub fn send(&mut self, mut prelude: Vec<String>, command: &Command) -> Rc<RefCell<Results>> {
        debug_assert!(self.idle());
        let script = !command.prepare && !command.binary && command.params.is_empty();
        if let Some(update) = self.settings.update(!command.binary && !script) {
            // After a BEGIN, whose isolation level must come before any query.
            prelude.push(update);
        }
        // Left by the end of an earlier transaction.
        self.pq.take_notices();
        self.failure = None;
        self.affected = 0;
        let sent = if script {
            self.send_script(&prelude, command.sql)
        } else {
            self.send_statement(&prelude, command)
        };
        if !sent || self.pq.flush().is_none() {
            self.raise_lost();
        }
        let results = Rc::new(RefCell::new(Results {
            // SAFETY: reads a field of the transaction's state.
            owner: unsafe { pgrx::pg_sys::GetCurrentSubTransactionId() },
            ..Results::default()
        }));
        self.live = Some(results.clone());
        results
    }

    /// Sends one command for its effect only, without a word about settings. Nothing may be outstanding.
    pub fn send_control(&mut self, sql: &str) -> bool {
        debug_assert!(self.idle());
        self.failure = None;
        self.live = None;
        self.send_script(&[], sql) && self.pq.flush().is_some()
    }

    fn send_script(&mut self, prelude: &[String], sql: &str) -> bool {
        let mut text = String::with_capacity(sql.len() + 64);
        for statement in prelude {
            text.push_str(statement);
            text.push_str("; ");
        }
        text.push_str(sql);
        let sent = self.pq.send_simple(&c_string(&text));
        self.pq.single_row_mode();
        self.expected.push_back(Expected::Script {
            skip: prelude.len(),
        });
        sent
    }

    fn send_statement(&mut self, prelude: &[String], command: &Command) -> bool {
        self.values.set(command.params);
        let known = if command.prepare {
            self.statements.find(command.sql, command.param_types)
        } else {
            None
        };
        if let (Some(name), true, true) = (&known, prelude.is_empty(), self.deallocate.is_empty()) {
            // The hot path: one message, no pipeline.
            let sent = self.pq.send_prepared(name, &self.values, command.binary);
            self.pq.single_row_mode();
            self.expected.push_back(Expected::Statement);
            return sent;
        }
        if !self.pq.enter_pipeline() {
            return false;
        }
        self.pipelined = true;
        let mut sent = true;
        for statement in prelude {
            sent &= self
                .pq
                .send(&c_string(statement), &[], &Values::default(), false);
            self.expected.push_back(Expected::Setup);
        }
        for name in std::mem::take(&mut self.deallocate) {
            let sql = format!("DEALLOCATE {}", name.to_string_lossy());
            sent &= self
                .pq
                .send(&c_string(&sql), &[], &Values::default(), false);
            self.expected.push_back(Expected::Setup);
        }
        let types: Vec<u32> = command.param_types.iter().map(|oid| oid.to_u32()).collect();
        match (known, command.prepare) {
            (Some(name), _) => sent &= self.pq.send_prepared(&name, &self.values, command.binary),
            (None, true) => {
                let name = self.statements.new_name();
                sent &= self.pq.send_prepare(&name, &c_string(command.sql), &types);
                sent &= self.pq.send_prepared(&name, &self.values, command.binary);
                self.expected.push_back(Expected::Preparation(
                    command.sql.into(),
                    command.param_types.to_vec(),
                    name,
                ));
            }
            (None, false) => {
                sent &= self
                    .pq
                    .send(&c_string(command.sql), &types, &self.values, command.binary);
            }
        }
        if self.expected.is_empty() {
            self.pq.single_row_mode();
        }
        self.expected.push_back(Expected::Statement);
        sent &= self.pq.sync();
        self.expected.push_back(Expected::Sync);
        sent
    }

    /// Consumes what has arrived, without blocking.
    pub fn poll(&mut self) -> Event {
        loop {
            if self.lost {
                return Event::Lost;
            }
            if self.expected.is_empty() {
                return Event::Finished;
            }
            if self.pq.busy() {
                return if self.pq.alive() {
                    Event::Blocked
                } else {
                    self.lost = true;
                    Event::Lost
                };
            }
            let Some(answer) = self.pq.result() else {
                self.end_of_command();
                continue;
            };
            match answer.kind() {
                Kind::Sync => {
                    self.expected.pop_front();
                    if self.expected.is_empty() {
                        self.pipelined = !self.pq.exit_pipeline();
                        self.lost = self.pipelined;
                    }
                }
                Kind::Error => self.note_failure(&answer),
                Kind::CopyIn => return Event::CopyIn,
                Kind::Row | Kind::Rows | Kind::Command => {
                    if self.is_result(&answer) && answer.rows() > 0 {
                        return Event::Rows(answer);
                    }
                }
                Kind::Skipped => {}
                Kind::Unexpected => {
                    self.lost = true;
                    return Event::Lost;
                }
            }
        }
    }

    /// No more results for the front of the queue.
    fn end_of_command(&mut self) {
        if !self.pipelined {
            self.expected.clear();
            return;
        }
        match self.expected.pop_front() {
            Some(Expected::Preparation(sql, types, name)) if self.failure.is_none() => {
                let surplus = self.statements.add(sql, types, name);
                self.deallocate.extend(surplus);
            }
            // The batch ended without its sync: the protocol is out of step.
            Some(Expected::Sync) | None => self.lost = true,
            _ => {}
        }
        if let Some(Expected::Statement) = self.expected.front() {
            self.pq.single_row_mode();
        }
    }

    /// Does this answer belong to the statement itself? Notes its row count, if so.
    fn is_result(&mut self, answer: &Answer) -> bool {
        let ends = answer.kind() != Kind::Row;
        match self.expected.front_mut() {
            Some(Expected::Script { skip }) if *skip > 0 => {
                *skip -= usize::from(ends);
                return false;
            }
            Some(Expected::Script { .. }) => {
                if ends {
                    self.tag = answer.tag();
                }
            }
            Some(Expected::Statement) => {}
            _ => return false,
        }
        if ends {
            self.affected = answer.affected();
        }
        true
    }

    fn note_failure(&mut self, answer: &Answer) {
        if !self.pq.alive() {
            self.lost = true;
        }
        // What was set in this batch may have been rolled back with it.
        self.settings.forget();
        if self.failure.is_none() {
            let mut failure = answer.report();
            if failure.sqlstate == "0A000" && failure.message.starts_with("cached plan must not") {
                self.forget_statements();
            }
            let place = format!("while executing on node \"{}\"", self.node_name);
            failure.context = Some(match failure.context {
                Some(context) => format!("{context}\n{place}"),
                None => place,
            });
            self.failure = Some(failure);
        }
    }

    fn forget_statements(&mut self) {
        if self.statements.clear() {
            self.deallocate = vec![Rc::new(c_string("ALL"))];
        }
    }

    /// Goes on until the statement of `results` has a row or has ended.
    pub fn pull(&mut self, results: &Rc<RefCell<Results>>) -> Option<Answer> {
        loop {
            match self.try_pull(results) {
                Pulled::Rows(answer) => return Some(answer),
                Pulled::Ended => return None,
                Pulled::Blocked => self.wait(),
            }
        }
    }

    /// The same without waiting.
    pub fn try_pull(&mut self, results: &Rc<RefCell<Results>>) -> Pulled {
        match self.poll() {
            Event::Rows(answer) => Pulled::Rows(answer),
            Event::Blocked => Pulled::Blocked,
            Event::Finished => {
                self.finish_results(results);
                Pulled::Ended
            }
            Event::CopyIn => Error::Internal("COPY FROM STDIN was sent as a query".into()).raise(),
            Event::Lost => {
                results.borrow_mut().ended = true;
                self.raise_lost()
            }
        }
    }

    fn finish_results(&mut self, results: &Rc<RefCell<Results>>) {
        self.end_quietly(results);
        let quiet = results.borrow().quiet;
        self.pass_on_notices(quiet);
    }

    /// The same without a word to the client.
    pub(super) fn end_quietly(&mut self, results: &Rc<RefCell<Results>>) {
        let mut results = results.borrow_mut();
        results.ended = true;
        results.affected = self.affected;
        results.tag = std::mem::take(&mut self.tag);
        results.failure = self.failure.take();
        self.live = None;
        self.commits_alone = false;
    }

    /// Waits for a COPY to be accepted. `running` is cleared should the COPY have to give way.
    pub fn await_copy_in(&mut self, running: &Rc<Cell<bool>>) {
        loop {
            match self.poll() {
                Event::CopyIn => {
                    self.copy = Some(running.clone());
                    return;
                }
                Event::Blocked => self.wait(),
                Event::Rows(_) => {}
                Event::Lost => self.raise_lost(),
                Event::Finished => match self.failure.take() {
                    Some(failure) => failure.raise(),
                    None => Error::Internal("not a COPY FROM STDIN".into()).raise(),
                },
            }
        }
    }

    /// Ends the running COPY; its answer is still to come.
    pub fn end_copy(&mut self) {
        if let Some(running) = self.copy.take() {
            running.set(false);
        }
        while !self.accepted(|pq| pq.end_copy(None)) {
            self.wait();
        }
    }

    /// Does libpq take it? Raises when the connection is broken.
    pub fn accepted(&mut self, offer: impl FnOnce(&mut Pq) -> Option<bool>) -> bool {
        match offer(&mut self.pq) {
            Some(taken) => taken,
            None => self.raise_lost(),
        }
    }

    /// Makes room: the rest of a statement that streams goes into its buffer, or away when nobody wants it.
    pub fn settle(&mut self) {
        while !self.idle() {
            match self.poll() {
                Event::Rows(answer) => self.put_aside(answer),
                Event::Blocked => self.wait(),
                Event::Finished => {}
                Event::CopyIn => self.end_copy(),
                Event::Lost => self.raise_lost(),
            }
        }
        if let Some(results) = self.live.take() {
            self.finish_results(&results);
            if self.participant.in_transaction() {
                if let Some(failure) = results.borrow().failure.clone() {
                    failure.raise();
                }
            }
        }
        self.failure = None;
    }

    /// Waits for all that is to come and hands the rows over.
    pub fn drain(&mut self, mut visit: impl FnMut(&Answer)) {
        while !self.idle() {
            match self.poll() {
                Event::Rows(answer) => visit(&answer),
                Event::Blocked => self.wait(),
                Event::Finished => {}
                Event::CopyIn | Event::Lost => self.raise_lost(),
            }
        }
    }

    fn put_aside(&mut self, answer: Answer) {
        if let Some(results) = &self.live {
            // Held by the connection alone: its reader has gone.
            if Rc::strong_count(results) > 1 {
                results.borrow_mut().buffer.push(answer);
            }
        }
    }

    /// Throws away what is outstanding, for the end of a transaction: never raises, never waits longer than until
    /// `deadline`. False when the connection can not be used any more.
    pub fn discard(&mut self, deadline: Instant) -> bool {
        self.live = None;
        if let Some(running) = self.copy.take() {
            running.set(false);
        }
        self.commits_alone = false;
        while !self.idle() {
            match self.poll() {
                Event::Rows(_) | Event::Finished => {}
                Event::Blocked => {
                    if !self.wait_quietly(deadline) {
                        self.lost = true;
                    }
                }
                Event::CopyIn => {
                    if self
                        .pq
                        .end_copy(Some(c"the transaction was rolled back"))
                        .is_none()
                    {
                        self.lost = true;
                    }
                }
                Event::Lost => return false,
            }
        }
        !self.lost
    }

    /// Throws away what is outstanding; false when more is to come after `deadline`.
    pub fn has_ended_by(&mut self, deadline: Instant) -> bool {
        loop {
            match self.poll() {
                Event::Rows(_) => {}
                Event::Finished => {
                    self.live = None;
                    return !self.lost;
                }
                Event::Blocked if Instant::now() < deadline => {
                    self.wait_quietly(deadline);
                }
                Event::Blocked | Event::CopyIn | Event::Lost => return false,
            }
        }
    }

    /// The failure of what was discarded.
    pub fn take_failure(&mut self) -> Option<Raised> {
        self.failure.take()
    }

    /// Is the running statement one whose reader began in this subtransaction, which still runs, or inside of it? Their
    /// numbers grow.
    pub fn runs_since(&self, subtransaction: SubTransactionId) -> bool {
        !self.idle()
            && self
                .live
                .as_ref()
                .is_none_or(|live| live.borrow().owner >= subtransaction)
    }

    /// Waits until something arrives (or can be sent); interruptible.
    pub fn wait(&mut self) {
        let Some(flushed) = self.pq.flush() else {
            self.raise_lost();
        };
        if let Some(waiter) = &mut self.waiter {
            waiter.wait(!flushed, None);
        }
        if ending() {
            // The process ends without unwinding: the node would not notice before it has rows to send.
            self.pq.cancel();
        }
        check_for_interrupts();
        // A broken connection is found by the next poll.
        self.pq.consume();
    }

    /// Waits without looking at interrupts; false when the deadline has passed.
    pub fn wait_quietly(&mut self, deadline: Instant) -> bool {
        let flushed = self.pq.flush().unwrap_or(true);
        let in_time = match &mut self.waiter {
            Some(waiter) => waiter.wait(!flushed, Some(deadline)),
            None => false,
        };
        self.pq.consume();
        in_time && Instant::now() < deadline
    }

    /// As `wait_quietly`, and gives up when the user has cancelled or the backend is to end.
    pub fn wait_patiently(&mut self, deadline: Instant) -> bool {
        self.wait_quietly(deadline) && !interrupted()
    }

    /// Has the server gone while nothing was asked of it? One cheap system call, spared a connection in steady use.
    pub fn gone(&mut self) -> bool {
        let now = Instant::now();
        let idle_for = now.saturating_duration_since(self.used_at);
        self.used_at = now;
        if idle_for < STEADY && !self.lost {
            return false;
        }
        if self.lost || !self.pq.consume() || !self.pq.alive() {
            return true;
        }
        // Parses what has arrived: a last word of a server that is shutting down comes as a notice.
        let _ = self.pq.busy();
        self.pq
            .take_notices()
            .iter()
            .any(|notice| matches!(notice.severity.as_deref(), Some("FATAL" | "PANIC")))
    }

    fn pass_on_notices(&mut self, quiet: bool) {
        for notice in self.pq.take_notices() {
            if !quiet || notice.severity.as_deref() == Some("WARNING") {
                notice.emit();
            }
        }
    }

    /// The connection is broken; raises that, or what the server said last.
    pub fn raise_lost(&mut self) -> ! {
        self.lost = true;
        let node = self.node_name.clone();
        if self.commits_alone {
            Error::OutcomeUnknown { node }.raise();
        }
        let reason = match self.failure.take() {
            Some(failure) => failure.message,
            None => self.pq.error(),
        };
        Error::ConnectionLost { node, reason }.raise()
    }
}

/// What [`Connection::try_pull`] found.
pub enum Pulled {
    Rows(Answer),
    Ended,
    Blocked,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Before the socket they wait for is closed.
        self.waiter = None;
        super::stream::forget_sockets();
    }
}
