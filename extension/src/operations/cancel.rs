//! `cluster_cancel`: an operation that has not finished is undone.

use super::unexpected;
use crate::state::control;
use expanse_core::wire::{Request, Response};

crate::sql_function! {
    /// `cluster_cancel(operation bigint)`: returns as soon as the wish is journaled; `cluster_wait` waits for the end.
    fn cluster_cancel(args) {
        super::outside_of_transaction(c"cluster_cancel()");
        let operation_id = args.required::<i64>(0, "operation");
        match control::ask(&Request::Cancel { operation_id }) {
            Response::Operation { .. } => Some(()),
            other => unexpected(&other),
        }
    }
}
