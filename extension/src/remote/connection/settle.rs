//! What is still outstanding is kept, handed over or thrown away, so that the next batch can be sent.

use crate::error::Raised;
use crate::remote::connection::{Connection, Event};
use crate::remote::libpq::Answer;
use pgrx::pg_sys::SubTransactionId;
use std::rc::Rc;
use std::time::Instant;

impl Connection {
    /// Makes room: the rest of a statement that streams goes into its buffer, or is thrown away when it has no reader.
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
    /// `deadline`. False when the connection cannot be used any more.
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
}
