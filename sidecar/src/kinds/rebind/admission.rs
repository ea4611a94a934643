//! What is checked before a rebind gets into the journal.

use expanse_core::wire::Operation;
use serde_json::json;

use super::state::{Parameters, Rebind};
use crate::executor::{Command, Executor, Weight};
use crate::kinds::refusal::Refusal;
use crate::operations::error::{Error, Result};
use crate::operations::state::parameters;
use crate::operations::submit::invalid;
use crate::operations::Desk;
use crate::postgres::NodeAddress;

const CHECK: Command = Command::new("check an operation", Weight::Interactive).safe();

/// Notes the group that moves.
///
/// # Errors
/// [`Error::Refused`] with the parameter that is wrong, or for a table that is not distributed.
pub async fn admit(desk: Desk<'_>, operation: &mut Operation) -> Result<()> {
    let wanted = parameters::<Rebind>(&operation.parameters)
        .map_err(|error| invalid("parameters", &error.to_string()))?;
    check(&wanted)?;
    // A plain table that is to become a distributed one has no group yet.
    if wanted.node.is_none() {
        let id = match group_of(desk.executor, desk.local, &operation.target).await? {
            0 => return Err(not_distributed(&operation.target)),
            id => id,
        };
        operation.parameters["group_id"] = json!(id);
    }
    Ok(())
}

fn check(wanted: &Parameters) -> Result<()> {
    const DAYS: f64 = 86_400_000.0;
    if !matches!(wanted.strategy.as_deref(), None | Some("move" | "rewrite")) {
        return Err(invalid("strategy", "it is neither move nor rewrite"));
    }
    let limits = &wanted.limits;
    match limits.reversible_for_ms {
        Some(ms) if !(0.0..=30.0 * DAYS).contains(&ms) => {
            return Err(invalid("reversible_for", "it is not between 0 and 30 days"))
        }
        _ => {}
    }
    if limits.max_rate.is_some_and(|rate| rate < 1024) {
        return Err(invalid("max_rate", "it is less than 1 kB a second"));
    }
    match limits.max_write_freeze_ms {
        Some(ms) if !(10.0..=60_000.0).contains(&ms) => Err(invalid(
            "max_write_freeze",
            "it is not between 10 ms and 60 s",
        )),
        _ => Ok(()),
    }
}

/// The group of a distributed table; 0 for a replicated one.
///
/// # Errors
/// [`Error::Refused`] for any other; those of the local server.
pub async fn group_of(executor: &Executor, local: &NodeAddress, relation: &str) -> Result<i32> {
    const SQL: &str = "SELECT t.group_id FROM expanse.distributed_table t \
         WHERE t.relation::oid = to_regclass($1::text)::oid";
    let rows = executor.query(local, CHECK, SQL, &[&relation]).await?;
    rows.first()
        .map(|row| row.get(0))
        .ok_or_else(|| not_distributed(relation))
}

fn not_distributed(relation: &str) -> Error {
    let relation = relation.to_owned();
    Refusal::NotDistributed { relation }.into()
}
