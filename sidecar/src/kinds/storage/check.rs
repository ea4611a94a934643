//! What is found out on all nodes before anything changes on any.

use expanse_core::storage::collision;
use expanse_core::wire::{ControlError, Operation};

use super::{OfStorage, Storage};
use crate::executor::Executor;
use crate::operations::error::{Error, Result};
use crate::operations::maintenance;
use crate::operations::members::active;
use crate::operations::state::parameters;
use crate::operations::submit::invalid;
use crate::operations::Desk;
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
/// [`Error::Refused`] with the node that can not have it, or with two nodes that would share the directory.
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
/// [`Error::Refused`] with what lies in it, and where.
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
        Some((one, other)) => Err(Error::Refused(
            ControlError::new(
                "XP140",
                format!(
                    "directory \"{}\" would be used by node \"{one}\" and by node \"{other}\"",
                    storage.directory
                ),
            )
            .with_detail(
                "Both nodes see the same directory there: they share a machine or a file system.",
            )
            .with_hint(format!(
                "Put {{node}} into the directory, which stands for the node's name: '{}/{{node}}'.",
                storage.directory
            )),
        )),
    }
}

/// # Errors
/// Why the server can not have it.
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
/// [`Error::Refused`] with what lies in it, and where.
pub async fn refuse_used(executor: &Executor, local: &NodeAddress, name: &str) -> Result<()> {
    for node in active(executor, local).await? {
        if let Some(refusal) = used(executor, &node.address, name).await? {
            return Err(Error::Refused(refusal));
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
) -> Result<Option<ControlError>> {
    let mut found = contents(executor, server, name).await?;
    if found.iter().any(|what| what.starts_with("database ")) {
        // Files of dropped relations stay until the next checkpoint.
        executor
            .batch(server, maintenance("checkpoint"), "CHECKPOINT")
            .await?;
        found = contents(executor, server, name).await?;
    }
    Ok(not_empty(name, &server.node_name, &found))
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

fn not_empty(name: &str, node: &str, found: &[String]) -> Option<ControlError> {
    const SHOWN: usize = 5;
    let first = found.first()?;
    let mut list = found[..found.len().min(SHOWN)].join(", ");
    if found.len() > SHOWN {
        list.push_str(&format!(" and {} more", found.len() - SHOWN));
    }
    Some(
        ControlError::new(
            "XP141",
            format!("storage \"{name}\" is not empty: {first} lies in it on node \"{node}\""),
        )
        .with_detail(format!("There are: {list}."))
        .with_hint("Move spread tables away with SELECT cluster_move_table('table', 'pg_default'), and others with ALTER ... SET TABLESPACE on that node."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_a_storage_is_named_with_its_node() {
        assert_eq!(not_empty("fast", "n2", &[]), None);
        let all: Vec<String> = (1..=7).map(|n| format!("table t{n}")).collect();
        let refusal = not_empty("fast", "n2", &all).unwrap();
        assert_eq!(refusal.sqlstate, "XP141");
        assert!(refusal
            .message
            .contains("table t1 lies in it on node \"n2\""));
        let detail = refusal.detail.unwrap();
        assert!(detail.contains("table t5 and 2 more") && !detail.contains("t6"));
    }
}
