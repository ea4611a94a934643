//! A moment in which no transaction over several nodes is half committed.
//!
//! # How it works
//! A coordinator notes in shared memory that it commits: from just before its local commit until every node has
//! committed its part. A read of several nodes that has found snapshots torn more than once raises a barrier on all nodes:
//! coordinators that have not begun to commit wait in front of it, those that have end soon, and then snapshots taken at
//! about the same time belong together, however many write. A barrier ends after [`LIMIT`] at the latest, and leaves
//! writers [`PAUSE`] before the next one.
//!
//! # What is not guaranteed
//! A barrier alone makes no snapshots belong together: they are compared with and without one. It only makes sure that reads
//! come to an end under any load.

use crate::metadata::node_session;
use crate::pg::session;
use crate::pg::shared_memory::Segment;
use crate::pg::wait::pause;
use crate::state::now;
use std::cell::Cell;

/// The longest time that a barrier stands, in microseconds.
const LIMIT: i64 = 100_000;
/// The time between two barriers, in microseconds.
const PAUSE: i64 = 10_000;
/// Coordinators with a higher process number are not noted.
const CAPACITY: usize = 4096;

#[repr(C)]
struct Barrier {
    /// When it ends, or has ended, in microseconds of PostgreSQL's clock.
    until: i64,
    /// Reads that have raised it and still need it.
    holders: u32,
    /// Process ids of coordinators that commit, by process number; 0 is none.
    committing: [i32; CAPACITY],
}

static BARRIER: Segment<Barrier> = Segment::new(c"expanse commits", || 0, |_| {});

thread_local! {
    static COMMITTING: Cell<bool> = const { Cell::new(false) };
}

/// Reserves the memory; called once while the library is preloaded.
pub fn init() {
    BARRIER.reserve();
}

fn slot() -> Option<usize> {
    usize::try_from(session::process_number())
        .ok()
        .filter(|&n| n < CAPACITY)
}

/// This backend is about to commit over several nodes: waits, interruptibly, while a barrier stands.
pub fn enter() {
    let Some(slot) = slot() else { return };
    loop {
        let closed = BARRIER.change(|barrier| {
            let closed = barrier.holders > 0 && now() < barrier.until;
            if !closed {
                barrier.committing[slot] = session::process_id();
            }
            closed
        });
        if closed != Some(true) {
            COMMITTING.set(true);
            return;
        }
        pause(1);
    }
}

/// Every node has committed its part, or will by recovery; or nothing is committed.
pub fn leave() {
    if COMMITTING.replace(false) {
        if let Some(slot) = slot() {
            BARRIER.change(|barrier| barrier.committing[slot] = 0);
        }
    }
}

/// Raises the barrier on this node and waits until no session commits; false when one has ended just before, or when
/// a session still commits.
pub fn hold() -> bool {
    let raised = BARRIER.change(|barrier| {
        let now = now();
        if now >= barrier.until {
            barrier.holders = 0;
            if now - barrier.until < PAUSE {
                return false;
            }
            barrier.until = now + LIMIT;
        }
        barrier.holders += 1;
        true
    });
    if raised != Some(true) {
        return false;
    }
    loop {
        let Some((busy, over)) = BARRIER.look(|barrier| (commits(barrier), now() >= barrier.until))
        else {
            return false;
        };
        if !busy || over {
            return !busy;
        }
        pause(1);
    }
}

fn commits(barrier: &Barrier) -> bool {
    barrier
        .committing
        .iter()
        .any(|&pid| pid != 0 && session::runs(pid))
}

/// The read that has raised it needs it no longer.
pub fn release() {
    BARRIER.change(|barrier| {
        barrier.holders = barrier.holders.saturating_sub(1);
        if barrier.holders == 0 {
            barrier.until = barrier.until.min(now());
        }
    });
}

crate::sql_function! {
    /// `expanse.hold_commits() -> bool`: raises the barrier on this node; whether no session commits over several nodes now.
    fn hold_commits(args) {
        let _ = args;
        node_session::require("hold up commits");
        Some(hold())
    }
}

crate::sql_function! {
    /// `expanse.release_commits()`: ends it.
    fn release_commits(args) {
        let _ = args;
        node_session::require("hold up commits");
        release();
        Some(())
    }
}
