//! Removing an empty storage from all nodes.

use std::time::Duration;

use super::{check, server, Storage};
use crate::operations::members::active;
use crate::operations::Result;
use crate::operations::{maintenance, Context};

const METADATA_LIMIT: Duration = Duration::from_secs(60);

/// # Errors
/// What lies in it, and where.
pub async fn check(context: &Context) -> Result<()> {
    let storage = Storage::of(context)?;
    check::refuse_used(context.executor(), context.local(), &storage.name).await
}

/// From here on nothing is put into it by the cluster.
///
/// # Errors
/// Those of the nodes.
pub async fn forget(context: &Context) -> Result<()> {
    let storage = Storage::of(context)?;
    context
        .executor()
        .query(
            context.local(),
            maintenance("forget a storage")
                .in_cluster()
                .limit(METADATA_LIMIT),
            "SELECT expanse.forget_storage($1)",
            &[&storage.name],
        )
        .await?;
    Ok(())
}

/// # Errors
/// What was put into it meanwhile; those of the nodes.
pub async fn drop(context: &Context) -> Result<()> {
    let storage = Storage::of(context)?;
    for node in active(context.executor(), context.local()).await? {
        context.still_leads()?;
        server::drop(context.executor(), &node.address, &storage.name).await?;
    }
    Ok(())
}

/// # Errors
/// Those of the nodes.
pub async fn clean(context: &Context) -> Result<()> {
    let storage = Storage::of(context)?;
    for node in active(context.executor(), context.local()).await? {
        server::clean(context.executor(), &node.address, &storage).await?;
    }
    Ok(())
}
