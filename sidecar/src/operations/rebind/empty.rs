//! A group without a row needs no copy: it is bound to the other version at once.

use std::time::Duration;

use super::super::context::Context;
use super::super::error::Result;
use super::rewrite;
use crate::executor::{Command, Weight};

const BIND: Command = Command::new("bind an empty group", Weight::Critical).in_cluster();

/// Binds the group if it is empty. Whatever stands in the way, the rebind goes on as for any other group.
///
/// # Errors
/// None but that this sidecar no longer leads.
pub async fn bind(context: &Context) -> Result<()> {
    const SQL: &str = "SELECT expanse.rebind_empty($1, coalesce($2, \
        (SELECT hash_map_version FROM expanse.hash_map WHERE current)))";
    let Some(group_id) = context.parameter::<i32>("group_id") else {
        return Ok(());
    };
    if rewrite::column(context).is_some() {
        return Ok(());
    }
    let version: Option<i32> = context.parameter("target_version");
    let budget = Duration::from_millis(context.config().operations.max_write_freeze_ms);
    let _alone = context.exclusive().lock().await;
    context.still_leads()?;
    let bound = context
        .executor()
        .value::<bool>(
            context.local(),
            BIND.limit(budget),
            SQL,
            &[&group_id, &version],
        )
        .await;
    match bound {
        Ok(true) => tracing::info!(operation = context.id(), "bound without a copy"),
        Ok(false) => {}
        Err(error) => tracing::debug!(operation = context.id(), %error, "not bound at once"),
    }
    Ok(())
}
