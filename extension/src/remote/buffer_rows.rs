//! Rows that outlive the subtransaction in which they were asked for.
//!
//! # How it works
//! A cursor that was opened outside of a subtransaction and first read inside of it goes on after ROLLBACK TO, as in
//! PostgreSQL. On the node its statement would end with the savepoint, so its remaining rows are taken into its buffer
//! before. What does not arrive in time makes the cursor fail at its next row.
//!
//! # Unwind safety
//! Runs in the abort of a subtransaction: it raises nothing, and an error on the way (no space for the rows) is swallowed
//! together with what it did to the backend.

use crate::error::Raised;
use crate::remote::connection::{Connection, Event, Results};
use crate::remote::spill::Spill;
use pgrx::pg_sys::{self, SubTransactionId};
use std::cell::RefCell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::rc::Rc;
use std::time::Instant;

impl Connection {
    /// Takes in the rows still to come of a statement whose reader began before this subtransaction.
    pub fn buffer_outer_statement(&mut self, subtransaction: SubTransactionId, deadline: Instant) {
        if self.idle() || self.runs_since(subtransaction) {
            return;
        }
        let Some(results) = self.live.clone() else {
            return;
        };
        // Held by the connection and by this function: its reader has gone.
        if Rc::strong_count(&results) < 3 {
            return;
        }
        if !quietly(|| self.take_in(&results, deadline)) {
            let mut results = results.borrow_mut();
            results.buffer = Spill::default();
            results.failure = Some(rows_lost(&self.node_name));
            results.ended = true;
        }
    }

    /// False when not all could be taken.
    fn take_in(&mut self, results: &Rc<RefCell<Results>>, deadline: Instant) -> bool {
        loop {
            match self.poll() {
                Event::Rows(answer) => results.borrow_mut().buffer.push(answer),
                Event::Blocked if self.wait_quietly(deadline) => {}
                Event::Finished => {
                    self.end_quietly(results);
                    return true;
                }
                Event::Blocked | Event::CopyIn | Event::Lost => return false,
            }
        }
    }
}

/// False also when it failed. The abort around it counts on interrupts being held, which an error would end.
fn quietly(work: impl FnOnce() -> bool) -> bool {
    // SAFETY: plain variables of the backend, set back to what they were.
    unsafe {
        let held = pg_sys::InterruptHoldoffCount;
        let context = pg_sys::CurrentMemoryContext;
        let outcome = catch_unwind(AssertUnwindSafe(work));
        pg_sys::CurrentMemoryContext = context;
        pg_sys::InterruptHoldoffCount = held;
        outcome.unwrap_or(false)
    }
}

fn rows_lost(node: &str) -> Raised {
    Raised {
        sqlstate: "24000".into(),
        message: format!("cursor has lost its rows of node \"{node}\" by ROLLBACK TO SAVEPOINT"),
        hint: Some("Open the cursor anew, or read its first row before the savepoint.".into()),
        ..Raised::default()
    }
}
