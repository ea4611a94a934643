//! What is found out on all nodes before anything changes on any.

use expanse_core::storage::collision;
use expanse_core::wire::Operation;

use super::refusal::Refusal;
use super::{OfStorage, Storage};
use crate::executor::Executor;
use crate::operations::maintenance;
use crate::operations::members::active;
use crate::operations::state::parameters;
use crate::operations::submit::invalid;
use crate::operations::Desk;
use crate::operations::Result;
use crate::postgres::NodeAddress;

/// What one node says of a storage that it does not have yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub node: String,
    pub place: String,
    /// The tablespace is there already, at the right place.
    pub present: bool,
}

/// # Errors
/// Why a node cannot have it; [`Refusal::SharedDirectory`].
pub async fn admit_add(desk: Desk<'_>, operation: &mut Operation) -> Result<()> {
    let wanted = parameters::<OfStorage>(&operation.parameters)
        .map_err(|error| invalid("parameters", &error.to_string()))?;
    let storage = Storage {
        name: operation.target.clone(),
        directory: wanted.directory.unwrap_or_default(),
    };
    places(desk.executor, desk.local, &storage).await.map(drop)
}

/// # Errors
/// [`Refusal::NotEmpty`].
pub async fn admit_drop(desk: Desk<'_>, operation: &mut Operation) -> Result<()> {
    refuse_used(desk.executor, desk.local, &operation.target).await
}

/// What every active node says of it.
///
/// # Errors
/// As [`admit_add`].
pub async fn places(
    executor: &Executor,
    local: &NodeAddress,
    storage: &Storage,
) -> Result<Vec<Place>> {
    let mut found = Vec::new();
    for node in active(executor, local).await? {
        found.push(place(executor, &node.address, storage).await?);
    }
    let by_node: Vec<_> = found
        .iter()
        .map(|place| (place.node.clone(), place.place.clone()))
        .collect();
    match collision(&by_node) {
        None => Ok(found),
        Some((one, other)) => Err(Refusal::SharedDirectory {
            directory: storage.directory.clone(),
            one: one.to_owned(),
            other: other.to_owned(),
        }
        .into()),
    }
}

/// # Errors
/// Why the server cannot have it.
pub async fn place(executor: &Executor, server: &NodeAddress, storage: &Storage) -> Result<Place> {
    let command = maintenance("check a storage");
    let rows = executor
        .query(
            server,
            command,
            "SELECT place, present FROM expanse.check_storage($1, $2, $3)",
            &[&storage.name, &storage.directory, &server.node_name],
        )
        .await?;
    let row = rows.first().expect("the function gives one row");
    Ok(Place {
        node: server.node_name.clone(),
        place: row.get(0),
        present: row.get(1),
    })
}

/// # Errors
/// [`Refusal::NotEmpty`].
pub async fn refuse_used(executor: &Executor, local: &NodeAddress, name: &str) -> Result<()> {
    for node in active(executor, local).await? {
        if let Some(refusal) = used(executor, &node.address, name).await? {
            return Err(refusal.into());
        }
    }
    Ok(())
}

/// The refusal to drop it, if anything lies in it on this server.
///
/// # Errors
/// Those of the server.
pub async fn used(
    executor: &Executor,
    server: &NodeAddress,
    name: &str,
) -> Result<Option<Refusal>> {
    let mut found = contents(executor, server, name).await?;
    if found.iter().any(|what| what.starts_with("database ")) {
        // Files of dropped relations stay until the next checkpoint.
        executor
            .batch(server, maintenance("checkpoint"), "CHECKPOINT")
            .await?;
        found = contents(executor, server, name).await?;
    }
    let mut found = found.into_iter();
    Ok(found.next().map(|first| Refusal::NotEmpty {
        storage: name.to_owned(),
        node: server.node_name.clone(),
        first,
        others: found.collect(),
    }))
}

async fn contents(executor: &Executor, server: &NodeAddress, name: &str) -> Result<Vec<String>> {
    let rows = executor
        .query(
            server,
            maintenance("look into a storage"),
            "SELECT * FROM expanse.storage_contents($1)",
            &[&name],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
