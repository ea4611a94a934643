//! What comes back, as far as it has arrived.

use crate::error::Error;
use crate::remote::connection::{Connection, Event, Expected, Pulled, Results};
use crate::remote::libpq::{c_string, Answer, Kind};
use std::cell::RefCell;
use std::rc::Rc;

impl Connection {
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
            let failure = answer.report();
            if failure.sqlstate == "0A000" && failure.message.starts_with("cached plan must not") {
                self.forget_statements();
            }
            self.failure = Some(failure.of_node(&self.node_name));
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

    pub(super) fn finish_results(&mut self, results: &Rc<RefCell<Results>>) {
        self.end_quietly(results);
        let quiet = results.borrow().quiet;
        self.pass_on_notices(quiet);
    }

    /// The same without a word to the client.
    pub fn end_quietly(&mut self, results: &Rc<RefCell<Results>>) {
        let mut results = results.borrow_mut();
        results.ended = true;
        results.affected = self.affected;
        results.tag = std::mem::take(&mut self.tag);
        results.failure = self.failure.take();
        self.live = None;
        self.commits_alone = false;
    }
}
