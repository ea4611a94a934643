//! A group without a row needs no copy: it is bound to the other version at once.

use std::time::Duration;

use super::state::Rebind;
use crate::executor::{Command, Weight};
use crate::operations::Context;
use crate::operations::Result;

const BIND: Command = Command::new("bind an empty group", Weight::Critical).in_cluster();

/// Binds the group if it is empty. Whatever stands in the way, the rebind goes on as for any other group.
///
/// # Errors
/// None but that this sidecar no longer leads.
pub async fn bind(context: &Context) -> Result<()> {
    const SQL: &str = "SELECT expanse.rebind_empty($1, coalesce($2, \
        (SELECT hash_map_version FROM expanse.hash_map WHERE current)))";
    let wanted = context.parameters::<Rebind>()?;
    let (Some(group_id), None) = (wanted.group_id, &wanted.distribution_column) else {
        return Ok(());
    };
    let version = wanted.target_version;
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
