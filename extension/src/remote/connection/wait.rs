//! Waiting for the other server, and finding that it is gone.

use crate::error::Error;
use crate::pg::wait::{check_for_interrupts, ending, interrupted};
use crate::remote::connection::Connection;
use std::time::{Duration, Instant};

/// A connection used this lately is taken to be alive.
const STEADY: Duration = Duration::from_millis(10);

impl Connection {
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

    pub(super) fn pass_on_notices(&mut self, quiet: bool) {
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
