//! The custom scan that runs a fragment on its nodes.
//!
//! # How it works
//! `state` has the scan's life (begin, rescan, end), `exec` gives the rows: the statement goes to all other nodes first,
//! then this node's own fragment runs in-process (`local`), then rows are taken from whichever node has some. `decode`
//! turns wire values into datums, `params` evaluates what is sent along, `explain` shows it.
//!
//! # Invariants
//! The node list and the ownership conditions come from the metadata at the start of each execution.

pub mod decode;
pub mod exec;
pub mod explain;
pub mod local;
pub mod params;
pub mod state;

use crate::scan::custom::{methods, Methods};
use pgrx::pg_sys::*;

static SCAN_METHODS: Methods = methods(c"Fragments", state::create);

/// What a plan node points to.
pub fn scan_methods() -> &'static CustomScanMethods {
    &SCAN_METHODS.0
}

/// Lets stored plans be read back; called once at load.
pub fn register() {
    // SAFETY: the methods are static.
    unsafe { RegisterCustomScanMethods(scan_methods()) };
}
