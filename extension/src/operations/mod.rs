//! SQL functions that hand operations to the sidecar and wait for them. Each checks first, so that bad input never
//! leaves this node.

pub mod expand;
pub mod newcomers;
pub mod plan;
pub mod rebind;
pub mod rebind_all;
pub mod requests;
pub mod shrink;
pub mod storage;
pub mod wait;

use crate::error::Error;
use crate::state::control;
use expanse_core::wire::{OperationKind, Request, Response};
use pgrx::pg_sys;
use serde_json::Value;
use std::ffi::CStr;

/// Refused inside a transaction block: an operation outlives the transaction and could not be rolled back with it.
fn outside_of_transaction(what: &CStr) {
    // SAFETY: raises, or does nothing but note that the statement is its own transaction.
    unsafe { pg_sys::PreventInTransactionBlock(true, what.as_ptr()) };
}

/// Hands an operation to the sidecar, which refuses it while another one is running: its id.
fn submit(kind: OperationKind, target: String, parameters: Value) -> i64 {
    match control::ask(&Request::Submit {
        kind,
        target,
        parameters,
    }) {
        Response::Submitted { operation_id } => operation_id,
        other => unexpected(&other),
    }
}

fn unexpected(answer: &Response) -> ! {
    Error::Internal(format!(
        "the sidecar gave an answer of another kind: {answer:?}"
    ))
    .raise()
}
