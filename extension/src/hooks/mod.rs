//! PostgreSQL's hooks: saved once, chained always, never damaging a foreign error.
//!
//! A hook decides inside [`entry`](crate::pg::entry::entry) and gets plain data back; the next function in the chain is
//! called outside of it, with nothing droppable on the stack (see [`crate::pg::entry`]).

/// Saves what a hook of PostgreSQL's leads to, and puts ours in its place. Only at load.
macro_rules! chain {
    ($previous:ident, $hook:ident, $ours:path) => {
        // SAFETY: at load the backend is single-threaded, and this runs once; the pointer is saved before it is replaced.
        unsafe {
            $previous = pgrx::pg_sys::$hook;
            pgrx::pg_sys::$hook = Some($ours);
        }
    };
}

/// Calls the next function in a hook's chain, or PostgreSQL's own. Nothing droppable may live in the frame.
macro_rules! next {
    ($previous:ident($($argument:expr),*)) => {
        // SAFETY: PostgreSQL's own arguments are passed on; nothing droppable lives in this frame.
        unsafe {
            if let Some(previous) = $previous {
                previous($($argument),*);
            }
        }
    };
    ($previous:ident or $standard:ident($($argument:expr),*)) => {
        // SAFETY: as above.
        unsafe {
            match $previous {
                Some(previous) => previous($($argument),*),
                None => crate::pg::raw::$standard($($argument),*),
            }
        }
    };
}

pub mod execution;
pub mod paths;
pub mod planning;
pub mod transactions;
pub mod utilities;

use crate::ddl;

/// Installs all hooks; called once at load.
pub fn install() {
    planning::install();
    execution::install();
    utilities::install();
    paths::install();
    ddl::forget::install();
    transactions::install();
}
