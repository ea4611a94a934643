//! The time in which a switched rebind can go back, and its end.

use std::time::Duration;

use tokio::time::sleep;

use super::super::context::Context;
use super::super::error::{Error, Result};
use super::super::now;

const UNTIL: &str = "reversible_until";
/// In the journal once the old copies may be deleted: the point of no return.
pub const CLOSED: &str = "closed";
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Waits as long as the rebind is to be reversible, or until somebody wants it finished. Whoever
/// wants it reversed interrupts this like any step.
///
/// # Errors
/// Those of the store.
pub async fn wait(context: &Context) -> Result<()> {
    let until = match context.remembered::<f64>(UNTIL) {
        Some(until) => until,
        None => {
            let wanted: f64 = context.parameter("reversible_for_ms").unwrap_or(0.0);
            let until = now() + wanted / 1e3;
            context.remember(UNTIL, until).await?;
            until
        }
    };
    while now() < until && !context.entry().finish_requested {
        sleep(LOOK_INTERVAL.min(Duration::from_secs_f64((until - now()).max(0.001)))).await;
        context.read_wishes().await?;
    }
    Ok(())
}

/// Passes the point of no return, unless somebody has asked to go back before.
///
/// # Errors
/// [`Error::Cancelled`]; those of the store.
pub async fn close(context: &Context) -> Result<()> {
    if context.remember_unless_cancelled(CLOSED, true).await? {
        Ok(())
    } else {
        Err(Error::Cancelled)
    }
}

/// # Errors
/// None: the journal knows.
pub async fn closed(context: &Context) -> Result<bool> {
    Ok(context.remembered::<bool>(CLOSED) == Some(true))
}
