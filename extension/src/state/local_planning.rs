//! Whether the planner is at work on a plan for this node alone.
//!
//! While the child plan of Route or Modify, or this node's own fragment, is planned, distributed tables are
//! ordinary tables. The hooks of the path stage ask [`planning_locally`]. A function that the planner calls meanwhile (to
//! estimate) may plan statements of its own: those are not local, and [`enter_distributed`] stands for them.
//!
//! # Invariants
//! An entry is popped by the code that pushed it, or, when an error passed by, by the abort of the (sub)transaction it was
//! pushed in ([`forget`], called from the transaction callbacks).

use crate::pg::session::transaction::nest_level;
use std::cell::{Cell, RefCell};

/// What is being planned, and the nest level of the transaction it began in.
struct Entry {
    level: i32,
    local: bool,
}

thread_local! {
    static ENTRIES: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Begins local planning of the statement that the planner hook has at hand; pair it with [`leave`].
pub fn enter() {
    push(true);
}

/// Begins local planning of a statement that goes through the planner hook next; pair it with [`leave`].
pub fn enter_next() {
    push(true);
    EXPECTED.set(true);
}

/// Begins planning over all nodes inside of local planning; pair it with [`leave`].
pub fn enter_distributed() {
    push(false);
}

fn push(local: bool) {
    let level = nest_level();
    ENTRIES.with_borrow_mut(|entries| entries.push(Entry { level, local }));
}

/// Ends what the last of these began.
pub fn leave() {
    ENTRIES.with_borrow_mut(|entries| entries.pop());
}

/// Is the statement at the planner hook the one that [`enter_next`] announced?
pub fn announced() -> bool {
    EXPECTED.replace(false)
}

/// Is the plan being made one for this node alone?
pub fn planning_locally() -> bool {
    ENTRIES.with_borrow(|entries| entries.last().is_some_and(|entry| entry.local))
}

/// Forgets what was begun at transaction nest level `level` or deeper, which has been aborted.
pub fn forget(level: i32) {
    EXPECTED.set(false);
    ENTRIES.with_borrow_mut(|entries| entries.retain(|entry| entry.level < level));
}
