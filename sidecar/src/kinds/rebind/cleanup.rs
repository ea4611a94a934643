//! What is left after the switch, or after a copy that is not wanted any more.

use std::time::Duration;

use expanse_core::sqlstate;

use crate::kinds::rebind::copy::pace;
use crate::kinds::rebind::plan::MovePlan;
use crate::kinds::rebind::switch::reverse::may_have_switched;
use crate::operations::error::{Error, Result};
use crate::operations::{maintenance, Context};
use crate::postgres::NodeAddress;
use crate::streams::{prefix, sweep};

/// How long the server waits in one call for statements to end.
const WAIT_MS: i32 = 1_000;
/// Deleting takes as long as there are rows.
const DELETE_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// Waits until, on every node, each statement that had read the binding before has ended.
///
/// # Errors
/// Those of the nodes.
pub async fn wait_for_statements(context: &Context) -> Result<()> {
    wait_for_statements_of(context, MovePlan::of(context)?.group_id).await
}

/// The same for any group.
///
/// # Errors
/// Those of the nodes.
pub async fn wait_for_statements_of(context: &Context, group_id: i32) -> Result<()> {
    let phase = context.entry().operation.phase;
    for node in context.nodes().await?.iter().filter(|node| node.active()) {
        loop {
            let ended: bool = context
                .executor()
                .value(
                    &node.address,
                    maintenance("wait for statements").in_cluster(),
                    "SELECT expanse.wait_for_statements($1, $2)",
                    &[&group_id, &WAIT_MS],
                )
                .await?;
            if ended {
                break;
            }
            context
                .phase(format!(
                    "{phase}: waits for statements on node \"{}\"",
                    node.name()
                ))
                .await?;
        }
    }
    context.phase(phase).await
}

/// Removes publications, slots and subscriptions, and the limit of what they copied.
///
/// # Errors
/// Those of the nodes.
pub async fn drop_streams(context: &Context) -> Result<()> {
    if let Ok(plan) = MovePlan::of(context) {
        pace::lift(context, &plan).await?;
    }
    sweep(context, &context.nodes().await?, &prefix(context.id())).await
}

/// Removes the streams, then the rows they brought. If the group was bound to the new map meanwhile,
/// statements that planned by it may still read these.
///
/// # Errors
/// Those of the nodes.
pub async fn undo_copy(context: &Context) -> Result<()> {
    drop_streams(context).await?;
    let plan = MovePlan::of(context)?;
    if may_have_switched(context)? {
        wait_for_statements(context).await?;
    }
    for target in staying(context, &plan.targets()).await? {
        delete_surplus(context, &target, plan.group_id).await?;
    }
    Ok(())
}

/// Nodes whose rows count. Those of one that was lost, and removed meanwhile, went with it.
async fn staying(context: &Context, names: &[&str]) -> Result<Vec<NodeAddress>> {
    let nodes = context.nodes().await?.into_iter();
    let staying = nodes.filter(|node| !node.leaving() && names.contains(&node.name()));
    Ok(staying.map(|node| node.address).collect())
}

/// # Errors
/// Those of the nodes.
pub async fn delete_surplus_of_sources(context: &Context) -> Result<()> {
    let plan = MovePlan::of(context)?;
    for source in staying(context, &plan.sources()).await? {
        delete_surplus(context, &source, plan.group_id).await?;
    }
    context
        .report(|operation| operation.bytes_done = operation.bytes_total)
        .await
}

/// Deletes the rows of the group that `node` does not own.
///
/// # Errors
/// Those of the node.
pub async fn delete_surplus(context: &Context, node: &NodeAddress, group_id: i32) -> Result<()> {
    context
        .executor()
        .query(
            node,
            maintenance("delete surplus rows")
                .in_cluster()
                .limit(DELETE_LIMIT),
            "SELECT expanse.delete_surplus($1)",
            &[&group_id],
        )
        .await?;
    Ok(())
}

/// Ends the move; the group is bound to what it is bound to. A plan that was never made has
/// nothing to end.
///
/// # Errors
/// Those of the nodes.
pub async fn end_move(context: &Context) -> Result<()> {
    match MovePlan::of(context) {
        Ok(plan) => end_move_of(context, plan.group_id).await,
        Err(_) => Ok(()),
    }
}

/// The same for any group.
///
/// # Errors
/// Those of the nodes.
pub async fn end_move_of(context: &Context, group_id: i32) -> Result<()> {
    let outcome = context
        .executor()
        .query(
            context.local(),
            maintenance("end the move").in_cluster(),
            "SELECT expanse.end_move($1)",
            &[&group_id],
        )
        .await;
    outcome.map(drop).map_err(|error| match error {
        // Every node has to take part: wait for the one that does not answer.
        error if error.has_code(sqlstate::NODE_INACTIVE.code) => Error::Awaited(error),
        error => error.into(),
    })
}
