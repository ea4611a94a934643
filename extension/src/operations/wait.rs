//! `cluster_wait`: blocks until an operation has finished, with its progress as notices and its error as an error.

use crate::error::Raised;
use crate::operations::unexpected;
use crate::state::control;
use expanse_core::wire::{ControlError, Operation, OperationState, Request, Response};
use std::time::{Duration, Instant};

/// How often the sidecar is asked.
const PAUSE: Duration = Duration::from_millis(200);

/// How often progress is reported while the phase stays the same.
const REPORT: Duration = Duration::from_secs(2);

crate::sql_function! {
    /// `cluster_wait(operation bigint, timeout interval)`; without a timeout as long as it takes.
    fn cluster_wait(args) {
        let id = args.required::<i64>(0, "operation");
        let timeout = args.milliseconds(1).map(|ms| Duration::from_secs_f64(ms.clamp(0.0, 1e12) / 1000.0));
        wait(id, timeout);
        Some(())
    }
}

fn wait(id: i64, timeout: Option<Duration>) {
    let started = Instant::now();
    let mut reported = Instant::now();
    let mut phase = String::new();
    loop {
        let operation = operation(id);
        if operation.state.finished() {
            return conclude(operation);
        }
        if operation.phase != phase || reported.elapsed() >= REPORT {
            report(&operation);
            phase.clone_from(&operation.phase);
            reported = Instant::now();
        }
        if timeout.is_some_and(|timeout| started.elapsed() >= timeout) {
            gave_up(&operation);
        }
        let resume = Instant::now() + PAUSE;
        while Instant::now() < resume {
            crate::pg::wait::pause(5);
        }
    }
}

fn operation(id: i64) -> Operation {
    match control::ask(&Request::Operation { operation_id: id }) {
        Response::Operation { operation } => *operation,
        other => unexpected(&other),
    }
}

fn report(operation: &Operation) {
    let rows = if operation.rows_total > 0 {
        format!(
            ", {} of about {} rows",
            operation.rows_done, operation.rows_total
        )
    } else {
        String::new()
    };
    pgrx::notice!(
        "operation {} ({} of \"{}\"): {} {}{rows}",
        operation.operation_id,
        operation.kind.as_str(),
        operation.target,
        operation.state.as_str(),
        operation.phase,
    );
}

/// Returns for a success, raises what the operation ended with otherwise.
fn conclude(operation: Operation) {
    match operation.state {
        OperationState::Succeeded => {}
        OperationState::Cancelled => Raised {
            sqlstate: "57014".into(),
            message: format!("operation {} was cancelled", operation.operation_id),
            ..Raised::default()
        }
        .raise(),
        _ => control::raise(operation.error.unwrap_or_else(|| {
            ControlError::new(
                "XX000",
                format!("operation {} failed", operation.operation_id),
            )
        })),
    }
}

fn gave_up(operation: &Operation) -> ! {
    if let Some(error) = &operation.error {
        pgrx::notice!("operation {} ran into: {error}", operation.operation_id);
    }
    Raised {
        sqlstate: "57014".into(),
        message: format!(
            "operation {} has not finished within the timeout",
            operation.operation_id
        ),
        detail: Some(format!(
            "It is {}, in phase \"{}\".",
            operation.state.as_str(),
            operation.phase
        )),
        hint: Some("It goes on; see SELECT * FROM cluster_operations.".into()),
        ..Raised::default()
    }
    .raise()
}
