//! Route and Modify: a statement that runs as text on other nodes and as PostgreSQL's own plan on this one.
//!
//! # How it works
//! At the start the nodes are decided by the current metadata ([`state`]). Only if this node is among them, the child
//! plan is started; its rows pass through untouched, by plain function pointers outside of [`crate::pg::entry::entry`].
//! Other nodes get the text all at once; their rows follow this node's.
//!
//! A Route on top of a plan whose key is a constant or a parameter needs no scan at all when this node owns the key: the
//! child takes the plan's place before the executor starts ([`shortcut`]).
//!
//! # Invariants
//! Rows written are counted once: by the child plan here, by the nodes' reports elsewhere. Replicated tables are written on
//! the first node before the others, so that its row locks put writers in one order.
//!
//! # Unwind safety
//! The Rust state is dropped by a callback of the query's memory context, so that an error drops it too.

pub mod explain;
pub mod prepared;
pub mod run;
pub mod shortcut;
pub mod state;

pub use self::prepared::next_number;
pub use self::shortcut::{may_shorten, shorten};

use crate::plan::statement::Place;
use crate::scan::custom;
use crate::scan::custom::{ExecMethods, Methods};
use pgrx::pg_sys::{self, CustomScan, CustomScanMethods, Node};

static ROUTE: Methods = custom::methods(c"Route", create);
static MODIFY: Methods = custom::methods(c"Modify", create);
static EXEC: ExecMethods = custom::exec_methods(
    c"Route",
    run::begin,
    run::next,
    run::end,
    run::rescan,
    Some(explain::explain),
);

/// The scan's methods: its name tells a reader of EXPLAIN what kind it is.
pub fn methods(place: Place) -> &'static CustomScanMethods {
    match place {
        Place::Key { .. } => &ROUTE.0,
        Place::Owners { .. } | Place::Everywhere => &MODIFY.0,
    }
}

/// Makes the names known to PostgreSQL, which looks them up when it reads a plan back.
pub fn register() {
    // SAFETY: the tables live as long as the library.
    unsafe {
        pg_sys::RegisterCustomScanMethods(&ROUTE.0);
        pg_sys::RegisterCustomScanMethods(&MODIFY.0);
    }
}

unsafe extern "C-unwind" fn create(_scan: *mut CustomScan) -> *mut Node {
    // SAFETY: zeroed memory is a valid state before Begin.
    unsafe {
        let state =
            pg_sys::palloc0(std::mem::size_of::<state::ScanState>()).cast::<state::ScanState>();
        (*state).custom.ss.ps.type_ = pg_sys::NodeTag::T_CustomScanState;
        (*state).custom.methods = &EXEC.0;
        state.cast()
    }
}
