//! Route and Modify: a statement that runs as text on other nodes and as PostgreSQL's own plan on this one.
//!
//! # How it works
//! At the start the nodes are decided by the current metadata ([`places`]). Only if this node is among them, the child plan is
//! started; its rows pass through untouched. Other nodes get the text all at once; their rows follow this node's.
//!
//! A Route on top of a plan whose key is a constant or a parameter needs no scan at all when this node owns the key: the
//! child takes the plan's place before the executor starts ([`shortcut`]).
//!
//! # Invariants
//! Rows written are counted once: by the child plan here, by the nodes' reports elsewhere. Replicated tables are written on
//! the first node before the others, so that its row locks put writers in one order.

pub mod places;
pub mod prepared;
pub mod scan;
pub mod shortcut;
pub mod state;

pub use self::prepared::next_number;
pub use self::shortcut::{may_shorten, shorten};

use self::state::StatementScan;
use crate::plan::statement::Place;
use crate::scan::custom::Methods;
use pgrx::pg_sys::CustomScanMethods;

pub static ROUTE: Methods<StatementScan> = Methods::new(c"Route");
pub static MODIFY: Methods<StatementScan> = Methods::new(c"Modify");

/// The scan's methods: its name tells a reader of EXPLAIN what kind it is.
pub fn methods(place: Place) -> &'static CustomScanMethods {
    match place {
        Place::Key { .. } => ROUTE.table(),
        Place::Owners { .. } | Place::Everywhere => MODIFY.table(),
    }
}
