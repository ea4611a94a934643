//! Waiting for something, with a bound. Nothing else in a scenario waits.

use std::time::{Duration, Instant};

use super::failure::{Failure, Outcome};

/// How long something may take that has no bound of its own.
pub const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until the condition holds. An error means that it does not hold yet: nodes are away in scenarios.
///
/// # Errors
/// [`Failure::Late`] with the last error.
pub fn until(what: &str, condition: impl FnMut() -> Outcome<bool>) -> Outcome {
    until_within(PATIENCE, what, condition)
}

/// As [`until`], with a bound of its own.
///
/// # Errors
/// [`Failure::Late`] with the last error.
pub fn until_within(
    bound: Duration,
    what: &str,
    mut condition: impl FnMut() -> Outcome<bool>,
) -> Outcome {
    let deadline = Instant::now() + bound;
    loop {
        let held = condition();
        if matches!(held, Ok(true)) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let last = held.err().map(|error| format!(": {error}"));
            return Err(Failure::Late {
                what: format!("{what}{}", last.unwrap_or_default()),
                seconds: bound.as_secs(),
            });
        }
        std::thread::sleep(PAUSE);
    }
}

/// Waits until the step succeeds; what it gives.
///
/// # Errors
/// [`Failure::Late`] with the last error.
pub fn until_done<T>(what: &str, mut step: impl FnMut() -> Outcome<T>) -> Outcome<T> {
    let mut given = None;
    until(what, || {
        given = Some(step()?);
        Ok(true)
    })?;
    given.ok_or_else(|| Failure::wrong(what))
}

/// Lets time pass in which something must stay as it is, or must go on: not a way to wait for anything.
pub fn let_pass(time: Duration) {
    std::thread::sleep(time);
}
