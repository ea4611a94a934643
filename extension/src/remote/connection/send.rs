//! What goes out: a statement with all that has to precede it, and the rows of a COPY.

use crate::error::Error;
use crate::pg::session::transaction::subtransaction;
use crate::remote::command::Command;
use crate::remote::connection::{Connection, Event, Expected, Results};
use crate::remote::libpq::{c_string, Pq, Values};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

impl Connection {
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
            owner: subtransaction(),
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
}
