//! The custom scan that runs a fragment on its nodes.
//!
//! # How it works
//! `state` has what a scan keeps and `run` what it does: the statement goes to all other nodes first, then this node's own
//! fragment runs in-process (`local`), then rows are taken from whichever node has some. `parameters` has what is computed
//! here and sent along; `callbacks` are the executor's calls.
//!
//! # Invariants
//! The node list and the ownership conditions come from the metadata at the start of each execution.

pub mod callbacks;
pub mod local;
pub mod parameters;
pub mod run;
pub mod state;

use self::state::FragmentScan;
use crate::scan::custom::Methods;

pub static FRAGMENTS: Methods<FragmentScan> = Methods::new(c"Fragments");
