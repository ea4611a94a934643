//! Making a storage on all nodes.

use std::time::Duration;

use super::{check, server, OfStorage, Storage};
use crate::kinds::refusal::Refusal;
use crate::operations::members::active;
use crate::operations::{maintenance, Context, Result};

const METADATA_LIMIT: Duration = Duration::from_secs(60);

/// # Errors
/// Why a node cannot have it.
pub async fn check(context: &Context) -> Result<()> {
    let storage = Storage::of(context)?;
    let places = check::places(context.executor(), context.local(), &storage).await?;
    // What was there before stays when the operation is undone.
    let present: Vec<String> = places
        .into_iter()
        .filter_map(|place| place.present.then_some(place.node))
        .collect();
    context
        .change_state::<OfStorage>(|state| state.present = Some(present))
        .await
}

/// # Errors
/// Those of the nodes.
pub async fn make(context: &Context) -> Result<()> {
    let storage = Storage::of(context)?;
    let nodes = active(context.executor(), context.local()).await?;
    for (done, node) in nodes.iter().enumerate() {
        let phase = format!("make: {done} of {} nodes", nodes.len());
        context.phase(phase).await?;
        context.still_leads()?;
        server::make(context.executor(), &node.address, &storage).await?;
    }
    Ok(())
}

/// # Errors
/// Those of the nodes.
pub async fn unmake(context: &Context) -> Result<()> {
    // Not noted: nothing was made.
    let Some(present) = context.state::<OfStorage>()?.present else {
        return Ok(());
    };
    let storage = Storage::of(context)?;
    for node in active(context.executor(), context.local()).await? {
        if !present.iter().any(|name| name == node.name()) {
            server::drop(context.executor(), &node.address, &storage.name).await?;
            server::clean(context.executor(), &node.address, &storage).await?;
        }
    }
    Ok(())
}

/// Writes it into the metadata of all nodes.
///
/// # Errors
/// Those of the nodes.
pub async fn record(context: &Context) -> Result<()> {
    let storage = Storage::of(context)?;
    context
        .executor()
        .query(
            context.local(),
            maintenance("record a storage")
                .in_cluster()
                .limit(METADATA_LIMIT),
            "SELECT expanse.record_storage($1, $2)",
            &[&storage.name, &storage.directory],
        )
        .await?;
    Ok(())
}

/// Whether it is recorded.
///
/// # Errors
/// [`Refusal::InDoubt`] while a transaction that may decide it is still prepared; errors of the nodes.
pub async fn turned(context: &Context) -> Result<bool> {
    const SQL: &str = "SELECT EXISTS (SELECT FROM expanse.storage WHERE storage_name = $1::text), \
        EXISTS (SELECT FROM pg_locks WHERE relation = 'expanse.storage'::regclass AND pid IS NULL \
        AND mode = 'RowExclusiveLock')";
    let storage = Storage::of(context)?;
    let mut undecided = None;
    for node in active(context.executor(), context.local()).await? {
        let command = maintenance("look for the storage");
        let rows = context
            .executor()
            .query(&node.address, command, SQL, &[&storage.name])
            .await?;
        let row = rows.first().expect("a SELECT without FROM has one row");
        if row.get::<_, bool>(0) {
            return Ok(true);
        }
        if row.get::<_, bool>(1) {
            undecided = Some(node.name().to_owned());
        }
    }
    match undecided {
        None => Ok(false),
        Some(node) => {
            let step = "record of the storage";
            Err(Refusal::InDoubt { node, step }.into())
        }
    }
}
