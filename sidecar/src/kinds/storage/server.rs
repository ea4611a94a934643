//! A storage on one server.

use std::time::Duration;

use tokio_postgres::error::SqlState;

use super::check::used;
use super::Storage;
use crate::executor::Executor;
use crate::operations::{maintenance, Result};
use crate::postgres::{identifier, literal, NodeAddress};

/// Dropping waits for a checkpoint.
const DROP_LIMIT: Duration = Duration::from_secs(300);

/// Whether the server has a tablespace of that name.
///
/// # Errors
/// Those of the server.
pub async fn has(executor: &Executor, server: &NodeAddress, name: &str) -> Result<bool> {
    const SQL: &str = "SELECT EXISTS (SELECT FROM pg_tablespace WHERE spcname = $1::text)";
    let command = maintenance("look for a tablespace");
    Ok(executor.value(server, command, SQL, &[&name]).await?)
}

/// Makes directory and tablespace, as far as they are not there.
///
/// # Errors
/// Those of the server.
pub async fn make(executor: &Executor, server: &NodeAddress, storage: &Storage) -> Result<()> {
    if has(executor, server, &storage.name).await? {
        return Ok(());
    }
    let location = storage.location(server);
    executor
        .query(
            server,
            maintenance("make a directory"),
            "SELECT expanse.make_storage_directory($1)",
            &[&location],
        )
        .await?;
    let create = format!(
        "CREATE TABLESPACE {} LOCATION {}",
        identifier(&storage.name),
        literal(&location)
    );
    let created = executor
        .batch(server, maintenance("create a tablespace"), &create)
        .await;
    match created {
        // A try whose answer was lost has made it.
        Err(error) if error.has_code(SqlState::DUPLICATE_OBJECT.code()) => Ok(()),
        other => Ok(other?),
    }
}

/// Drops the tablespace, if it is there.
///
/// # Errors
/// What lies in it; those of the server.
pub async fn drop(executor: &Executor, server: &NodeAddress, name: &str) -> Result<()> {
    if !has(executor, server, name).await? {
        return Ok(());
    }
    let drop = format!("DROP TABLESPACE IF EXISTS {}", identifier(name));
    let command = maintenance("drop a tablespace").limit(DROP_LIMIT);
    let dropped = executor.batch(server, command, &drop).await;
    if let Err(error) = &dropped {
        // Not empty, or other objects depend on it.
        let in_use = [
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
            SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
        ];
        if in_use.iter().any(|code| error.has_code(code.code())) {
            if let Some(refusal) = used(executor, server, name).await? {
                return Err(refusal.into());
            }
        }
    }
    Ok(dropped?)
}

/// Removes the directory, if the server made it for the storage.
///
/// # Errors
/// Those of the server.
pub async fn clean(executor: &Executor, server: &NodeAddress, storage: &Storage) -> Result<()> {
    executor
        .query(
            server,
            maintenance("remove a directory"),
            "SELECT expanse.remove_storage_directory($1)",
            &[&storage.location(server)],
        )
        .await?;
    Ok(())
}
