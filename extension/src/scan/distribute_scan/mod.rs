//! Spread and Distribute: rows computed here go to the nodes they belong to.
//!
//! # How it works
//! [`spread`] sits under PostgreSQL's ModifyTable, gives it this node's rows and hands the others to a [`outbox::Outbox`];
//! [`top`] sits above ModifyTable and empties the outbox when the rows have run out.
//!
//! # Invariants
//! A row is inserted where its key belongs by the metadata under the gate; a replicated table's row on every node.

pub mod outbox;
pub mod spread;
pub mod top;

use crate::scan::custom;
use crate::scan::custom::Methods;
use pgrx::pg_sys::{self, CustomScanMethods};

static SPREAD: Methods = custom::methods(c"Spread", spread::create);
static DISTRIBUTE: Methods = custom::methods(c"Distribute", top::create);

pub fn spread_methods() -> &'static CustomScanMethods {
    &SPREAD.0
}

pub fn distribute_methods() -> &'static CustomScanMethods {
    &DISTRIBUTE.0
}

/// Makes the names known to PostgreSQL, which looks them up when it reads a plan back.
pub fn register() {
    // SAFETY: the tables live as long as the library.
    unsafe {
        pg_sys::RegisterCustomScanMethods(&SPREAD.0);
        pg_sys::RegisterCustomScanMethods(&DISTRIBUTE.0);
    }
}
