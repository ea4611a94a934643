//! Which local statement runs, for reads that share a snapshot on each node.
//!
//! # How it works
//! A statement is known by the memory context of its executor state, the innermost one around the current context. A
//! reset callback there says when the executor has ended; then the read-only transactions that
//! were opened for it are ended on the nodes, without waiting for the answer.
//!
//! # Unwind safety
//! The callback runs at the end of the executor or in the abort of a transaction; it raises nothing and
//! waits for nothing.

use crate::pg::session::exiting;
use crate::remote::participant::Scope;
use crate::remote::pool;
use pgrx::pg_sys;
use std::cell::RefCell;
use std::ffi::{c_void, CStr};

#[derive(Default)]
struct Statements {
    /// Context (as an address) and number of each executor that has read.
    running: Vec<(usize, u64)>,
    last: u64,
    /// Of a statement that reads before its executor has a context.
    expected: Option<u64>,
}

thread_local! {
    static STATEMENTS: RefCell<Statements> = RefCell::default();
}

/// The number of the innermost running statement; a new one outside of any executor.
pub fn current() -> u64 {
    let context = executor_context();
    STATEMENTS.with_borrow_mut(|statements| {
        if let Some(id) = statements.expected {
            if !context.is_null() {
                statements.expected = None;
                statements.running.push((context as usize, id));
                watch(context, id);
            }
            return id;
        }
        let known = statements
            .running
            .iter()
            .find(|(c, _)| *c == context as usize);
        if let (Some((_, id)), false) = (known, context.is_null()) {
            return *id;
        }
        statements.last += 1;
        let id = statements.last;
        if !context.is_null() {
            statements.running.push((context as usize, id));
            watch(context, id);
        }
        id
    })
}

/// Does this statement still run?
pub fn running(id: u64) -> bool {
    STATEMENTS.with_borrow(|statements| {
        statements.expected == Some(id)
            || statements.running.iter().any(|(_, running)| *running == id)
    })
}

/// Is the current code run by a statement?
pub fn inside_another() -> bool {
    !executor_context().is_null()
}

/// A statement outside of any other is about to start; what is read from here on is read for it.
pub fn expect() {
    STATEMENTS.with_borrow_mut(|statements| {
        statements.last += 1;
        statements.expected = Some(statements.last);
    });
}

/// The statement has not started after all.
pub fn forget_expected() {
    STATEMENTS.with_borrow_mut(|statements| statements.expected = None);
}

fn executor_context() -> pg_sys::MemoryContext {
    // SAFETY: contexts form a tree by valid parent pointers; names are NUL-terminated constants.
    unsafe {
        let mut context = pg_sys::CurrentMemoryContext;
        while !context.is_null() && CStr::from_ptr((*context).name) != c"ExecutorState" {
            context = (*context).parent;
        }
        context
    }
}

fn watch(context: pg_sys::MemoryContext, id: u64) {
    // SAFETY: the callback's structure lives in the context it watches, as PostgreSQL asks for.
    unsafe {
        let size = std::mem::size_of::<pg_sys::MemoryContextCallback>();
        let callback =
            pg_sys::MemoryContextAllocZero(context, size).cast::<pg_sys::MemoryContextCallback>();
        (*callback).func = Some(ended);
        (*callback).arg = id as *mut c_void;
        pg_sys::MemoryContextRegisterResetCallback(context, callback);
    }
}

unsafe extern "C-unwind" fn ended(id: *mut c_void) {
    let id = id as u64;
    STATEMENTS
        .with_borrow_mut(|statements| statements.running.retain(|(_, running)| *running != id));
    end_reads(|other| other == id);
}

/// Ends the read-only transactions of the statements chosen, where nothing is outstanding any more; the others
/// end with the next use of their connection or with the transaction.
pub fn end_reads(chosen: impl Fn(u64) -> bool) {
    if exiting() {
        return;
    }
    for connection in pool::involved() {
        let Ok(mut connection) = connection.try_borrow_mut() else {
            continue;
        };
        let Scope::Statement(id) = connection.participant.scope else {
            continue;
        };
        if chosen(id) && connection.idle() && !connection.lost {
            connection.participant.ended();
            if !connection.send_control("COMMIT") {
                connection.lost = true;
            }
        }
    }
}
