//! Whether the planner is at work on a plan for this node alone.
//!
//! While the child plan of Route or Modify, or this node's own fragment, is planned, distributed tables are
//! ordinary tables. The hooks of the path stage ask [`planning_locally`].
//!
//! # Invariants
//! An entry is popped by whoever pushed it, or, when an error passed by, by the abort of the (sub)transaction it was
//! pushed in ([`forget`], called from the transaction callbacks).

use pgrx::pg_sys;
use std::cell::RefCell;

thread_local! {
    static LEVELS: RefCell<Vec<i32>> = const { RefCell::new(Vec::new()) };
}

/// Begins local planning; pair it with [`leave`].
pub fn enter() {
    // SAFETY: reads a counter of the backend.
    let level = unsafe { pg_sys::GetCurrentTransactionNestLevel() };
    LEVELS.with_borrow_mut(|levels| levels.push(level));
}

/// Ends what the last [`enter`] began.
pub fn leave() {
    LEVELS.with_borrow_mut(|levels| levels.pop());
}

/// Is the plan being made one for this node alone?
pub fn planning_locally() -> bool {
    LEVELS.with_borrow(|levels| !levels.is_empty())
}

/// Forgets what was begun at transaction nest level `level` or deeper, which has been aborted.
pub fn forget(level: i32) {
    LEVELS.with_borrow_mut(|levels| levels.retain(|&entered| entered < level));
}
