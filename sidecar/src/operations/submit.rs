//! What is checked, and filled in, before an operation gets into the journal.

use expanse_core::wire::OperationKind;
use serde_json::{json, Value};

use super::entry::parameter;
use super::error::{refused, Error, Result};
use super::expand::Newcomer;
use super::journal::Journal;
use super::shrink::refuse_unfit;
use super::{move_table, storage};
use crate::executor::{Command, Executor, Weight};
use crate::postgres::NodeAddress;

const INTERACTIVE: Command = Command::new("check an operation", Weight::Interactive).safe();

/// Journals an operation; its id.
///
/// # Errors
/// [`Error::Refused`] with what is wrong with it, or with what stands in its way.
pub async fn submit(
    journal: &Journal,
    executor: &Executor,
    local: &NodeAddress,
    kind: OperationKind,
    target: &str,
    parameters: Value,
) -> Result<i64> {
    let mut parameters = match parameters {
        Value::Null => json!({}),
        other => other,
    };
    if !parameters.is_object() {
        return Err(invalid("parameters", "it is not an object"));
    }
    let mut group = None;
    match kind {
        OperationKind::Expand => check_expand(&parameters)?,
        OperationKind::Rebind => {
            check_rebind(&parameters)?;
            // A plain table that is to become a distributed one has no group yet.
            if parameter::<String>(&parameters, "node").is_none() {
                let id = group_of(executor, local, target).await?;
                parameters["group_id"] = json!(id);
                group = Some(id);
            }
        }
        OperationKind::Shrink => refuse_unfit(executor, local, &parameters).await?,
        OperationKind::RebindAll => {}
        OperationKind::AddStorage => {
            storage::refuse_unfit_directory(executor, local, target, &parameters).await?;
        }
        OperationKind::DropStorage => storage::refuse_used(executor, local, target).await?,
        OperationKind::MoveTable => {
            let id = group_of_any(executor, local, target).await?;
            parameters["group_id"] = json!(id);
            group = Some(id);
            move_table::refuse_unfit(executor, local, id, target, &parameters).await?;
        }
        OperationKind::DropHashMap => {
            return Err(refused(
                "0A000",
                "a hash map that nothing is bound to disappears by itself",
                "Rebind its tables; see SELECT * FROM cluster_tables.",
            ))
        }
    }
    let id = journal.submit(kind, target, parameters, group).await?;
    tracing::info!(operation = id, kind = kind.as_str(), target, "submitted");
    Ok(id)
}

fn invalid(parameter: &str, reason: &str) -> Error {
    refused(
        "XP025",
        format!("invalid {parameter}: {reason}"),
        "See the reference of the function that was called.",
    )
}

fn check_expand(parameters: &Value) -> Result<()> {
    let nodes: Vec<Newcomer> = parameter(parameters, "nodes")
        .filter(|nodes: &Vec<_>| !nodes.is_empty())
        .ok_or_else(|| invalid("nodes", "it is no list of servers"))?;
    for node in &nodes {
        let name = &node.node_name;
        if name.is_empty() || name.len() > 63 || name.contains('/') {
            return Err(invalid(
                "node_name",
                "it is empty, too long or contains a slash",
            ));
        }
        if node.host.is_empty() {
            return Err(invalid("host", "it is missing"));
        }
        if node.port == 0 {
            return Err(invalid("port", "it is not between 1 and 65535"));
        }
        if node.weight < 1 {
            return Err(invalid("weight", "weights begin at 1"));
        }
    }
    match parameter::<String>(parameters, "layout").as_deref() {
        None | Some("minimal" | "contiguous") => Ok(()),
        Some(_) => Err(invalid("layout", "it is neither minimal nor contiguous")),
    }
}

fn check_rebind(parameters: &Value) -> Result<()> {
    match parameter::<String>(parameters, "strategy").as_deref() {
        None | Some("move" | "rewrite") => {}
        Some(_) => return Err(invalid("strategy", "it is neither move nor rewrite")),
    }
    match parameter::<f64>(parameters, "reversible_for_ms") {
        Some(ms) if !(0.0..=30.0 * 86_400_000.0).contains(&ms) => {
            return Err(invalid("reversible_for", "it is not between 0 and 30 days"))
        }
        _ => {}
    }
    if parameter::<i64>(parameters, "max_rate").is_some_and(|rate| rate < 1024) {
        return Err(invalid("max_rate", "it is less than 1 kB a second"));
    }
    match parameter::<f64>(parameters, "max_write_freeze_ms") {
        Some(ms) if !(10.0..=60_000.0).contains(&ms) => Err(invalid(
            "max_write_freeze",
            "it is not between 10 ms and 60 s",
        )),
        _ => Ok(()),
    }
}

/// The group of a distributed table.
async fn group_of(executor: &Executor, local: &NodeAddress, relation: &str) -> Result<i32> {
    match group_of_any(executor, local, relation).await? {
        0 => Err(not_distributed(relation)),
        id => Ok(id),
    }
}

/// The same; 0 for a replicated table.
async fn group_of_any(executor: &Executor, local: &NodeAddress, relation: &str) -> Result<i32> {
    const SQL: &str = "SELECT t.group_id FROM expanse.distributed_table t \
         WHERE t.relation::oid = to_regclass($1::text)::oid";
    let rows = executor
        .query(local, INTERACTIVE, SQL, &[&relation])
        .await?;
    rows.first()
        .map(|row| row.get(0))
        .ok_or_else(|| not_distributed(relation))
}

fn not_distributed(relation: &str) -> Error {
    refused(
        "XP018",
        format!("relation \"{relation}\" is not distributed"),
        "See SELECT * FROM cluster_tables.",
    )
}
