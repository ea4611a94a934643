//! Whether a table can move: the storage is on every node, and has room.

use expanse_core::storage::DEFAULT;
use expanse_core::wire::Operation;
use serde_json::json;

use super::parts::{look, tables, Part};
use super::refusal::Refusal;
use super::{MoveTable, Parameters};
use crate::cluster::Node;
use crate::executor::Executor;
use crate::kinds::disk_space;
use crate::kinds::rebind::group_of;
use crate::operations::members::active;
use crate::operations::state::parameters;
use crate::operations::submit::invalid;
use crate::operations::{maintenance, Context};
use crate::operations::{Desk, Result};
use crate::postgres::NodeAddress;

/// What every active node has of the tables, by its name.
pub type Found = Vec<(String, Vec<Part>)>;

/// # Errors
/// Why the tables cannot move.
pub async fn admit(desk: Desk<'_>, operation: &mut Operation) -> Result<()> {
    let Desk { executor, local } = desk;
    operation.parameters["group_id"] = json!(group_of(executor, local, &operation.target).await?);
    let wanted = parameters::<MoveTable>(&operation.parameters)
        .map_err(|error| invalid("parameters", &error.to_string()))?;
    find(executor, local, &operation.target, &wanted)
        .await
        .map(drop)
}

/// Notes where everything is before.
///
/// # Errors
/// Why the tables cannot move.
pub async fn run(context: &Context) -> Result<()> {
    let wanted = context.parameters::<MoveTable>()?;
    let target = context.entry().operation.target;
    let found = find(context.executor(), context.local(), &target, &wanted).await?;
    let total = found
        .iter()
        .map(|(_, parts)| elsewhere(parts, wanted.storage()))
        .sum();
    context
        .change(|entry| entry.operation.bytes_total = total)
        .await?;
    context
        .change_state::<MoveTable>(|state| state.before = Some(found))
        .await
}

async fn find(
    executor: &Executor,
    local: &NodeAddress,
    target: &str,
    wanted: &Parameters,
) -> Result<Found> {
    let storage = wanted.storage();
    let rewritten = wanted.cluster_on.as_ref().map(|_| target);
    let tables = tables(executor, local, wanted.group_id(), target).await?;
    let mut found = Found::new();
    let mut rooms = Vec::new();
    for node in active(executor, local).await? {
        refuse_missing(executor, &node, storage).await?;
        let parts = look(executor, &node.address, &tables).await?;
        let needed = needed(&parts, storage, rewritten);
        let free = free(executor, &node, storage).await?;
        // A system that does not say is trusted.
        rooms.extend(free.map(|free| disk_space::Room {
            node: node.name().to_owned(),
            needed: needed as f64,
            free,
        }));
        found.push((node.name().to_owned(), parts));
    }
    match disk_space::lacking(rooms, "storage with SELECT cluster_add_storage(...)") {
        None => Ok(found),
        Some(refusal) => Err(refusal.into()),
    }
}

async fn refuse_missing(executor: &Executor, node: &Node, storage: &str) -> Result<()> {
    const SQL: &str = "SELECT EXISTS (SELECT FROM pg_tablespace WHERE spcname = $1::text)";
    let command = maintenance("look for the storage");
    if storage != DEFAULT
        && !executor
            .value(&node.address, command, SQL, &[&storage])
            .await?
    {
        return Err(Refusal::StorageMissing {
            storage: storage.to_owned(),
            node: node.name().to_owned(),
        }
        .into());
    }
    Ok(())
}

async fn free(executor: &Executor, node: &Node, storage: &str) -> Result<Option<f64>> {
    const SQL: &str = "SELECT f.free_bytes::float8 FROM pg_tablespace s, \
        expanse.disk_space(nullif(pg_tablespace_location(s.oid), '')) AS f WHERE s.spcname = $1::text";
    let command = maintenance("look for room");
    let rows = executor
        .query(&node.address, command, SQL, &[&storage])
        .await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// Bytes that lie elsewhere.
fn elsewhere(parts: &[Part], storage: &str) -> i64 {
    let there = parts.iter().filter(|part| part.storage != storage);
    there.map(|part| part.bytes).sum()
}

/// Bytes that the storage must take: what lies elsewhere, and once more what is written again in order.
fn needed(parts: &[Part], storage: &str, rewritten: Option<&str>) -> i64 {
    let again = parts
        .iter()
        .filter(|part| Some(part.table.as_str()) == rewritten);
    elsewhere(parts, storage) + again.map(|part| part.bytes).sum::<i64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_needed_for_what_moves_and_for_what_is_rewritten() {
        let part = |table: &str, storage: &str, bytes| Part {
            table: table.into(),
            name: table.into(),
            index: false,
            storage: storage.into(),
            bytes,
            clustered: false,
        };
        let parts = [part("t", "old", 100), part("u", "new", 10)];
        assert_eq!(needed(&parts, "new", None), 100);
        assert_eq!(needed(&parts, "new", Some("t")), 200);
        assert_eq!(needed(&parts, "new", Some("u")), 110);
        assert_eq!(needed(&parts, "old", None), 10);
    }
}
