//! The time in which a switched rebind can go back, and its end.

use std::time::Duration;

use tokio::time::sleep;

use super::state::{Rebind, State};
use crate::operations::error::{Error, Result};
use crate::operations::Context;
use crate::operations::JournalEntry;
use crate::sys::now;

const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Waits as long as the rebind is to be reversible, or until it is to be finished. A request to reverse it interrupts this
/// like any step.
///
/// # Errors
/// Those of the store.
pub async fn wait(context: &Context) -> Result<()> {
    let until = match context.state::<Rebind>()?.reversible_until {
        Some(until) => until,
        None => {
            let limits = context.parameters::<Rebind>()?.limits;
            let until = now() + limits.reversible_for_ms.unwrap_or(0.0) / 1e3;
            context
                .change_state::<Rebind>(|state| state.reversible_until = Some(until))
                .await?;
            until
        }
    };
    while now() < until && !context.entry().finish_requested {
        sleep(LOOK_INTERVAL.min(Duration::from_secs_f64((until - now()).max(0.001)))).await;
        context.read_requests().await?;
    }
    Ok(())
}

/// Passes the point of no return, unless it was to be reversed before.
///
/// # Errors
/// [`Error::Cancelled`]; those of the store.
pub async fn close(context: &Context) -> Result<()> {
    let close = |state: &mut State| state.closed = Some(true);
    if context
        .change_state_unless_cancelled::<Rebind>(close)
        .await?
    {
        Ok(())
    } else {
        Err(Error::Cancelled)
    }
}

/// # Errors
/// [`Error::Damaged`].
pub async fn closed(context: &Context) -> Result<bool> {
    Ok(context.state::<Rebind>()?.closed == Some(true))
}

/// The same of an entry that is not run here.
pub fn is_closed(entry: &JournalEntry) -> bool {
    entry
        .state::<Rebind>()
        .is_ok_and(|state| state.closed.is_some())
}
