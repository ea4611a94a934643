//! `cluster_cancel`, `cluster_pause`, `cluster_resume`, `cluster_reverse`, `cluster_finish`: requests to an operation that has not finished. Each
//! returns as soon as the wish is journaled; `cluster_wait` and `cluster_operations` show what becomes of it.

use crate::operations::unexpected;
use crate::pg::function::Args;
use crate::state::control;
use expanse_core::wire::{Request, Response};
use std::ffi::CStr;

crate::sql_function! {
    /// `cluster_cancel(operation bigint)`: the operation is undone.
    fn cluster_cancel(args) {
        wish(args, c"cluster_cancel()", |operation_id| Request::Cancel { operation_id })
    }
}

crate::sql_function! {
    /// `cluster_pause(operation bigint)`: the operation stands still where it is.
    fn cluster_pause(args) {
        wish(args, c"cluster_pause()", |operation_id| Request::Pause { operation_id })
    }
}

crate::sql_function! {
    /// `cluster_resume(operation bigint)`: a paused operation goes on.
    fn cluster_resume(args) {
        wish(args, c"cluster_resume()", |operation_id| Request::Resume { operation_id })
    }
}

crate::sql_function! {
    /// `cluster_reverse(operation bigint)`: a rebind that has switched goes back.
    fn cluster_reverse(args) {
        wish(args, c"cluster_reverse()", |operation_id| Request::Reverse { operation_id })
    }
}

crate::sql_function! {
    /// `cluster_finish(operation bigint)`: a rebind is reversible no longer, and deletes the old copies.
    fn cluster_finish(args) {
        wish(args, c"cluster_finish()", |operation_id| Request::Finish { operation_id })
    }
}

fn wish(args: &Args, function: &CStr, request: impl Fn(i64) -> Request) -> Option<()> {
    crate::operations::outside_of_transaction(function);
    match control::ask(&request(args.required::<i64>(0, "operation"))) {
        Response::Operation { .. } => Some(()),
        other => unexpected(&other),
    }
}
