//! Checking the new servers, registering them, and what goes before and after.

use std::time::Duration;

use expanse_core::sqlstate;

use super::state::{Expand, Newcomer};
use crate::kinds::children::submit_rebind;
use crate::operations::{maintenance, Context};
use crate::operations::{Refusal, Result};
use crate::postgres::NodeAddress;

/// Metadata goes to every node and waits there for the operation that holds the schema.
const METADATA_LIMIT: Duration = Duration::from_secs(60);

/// The new servers as they were named.
///
/// # Errors
/// [`Error::Damaged`](crate::operations::Error::Damaged).
pub fn newcomers(context: &Context) -> Result<Vec<Newcomer>> {
    Ok(context.parameters::<Expand>()?.nodes.unwrap_or_default())
}

/// Their addresses.
///
/// # Errors
/// [`Error::Damaged`](crate::operations::Error::Damaged).
pub fn addresses(context: &Context) -> Result<Vec<NodeAddress>> {
    Ok(newcomers(context)?.iter().map(Newcomer::address).collect())
}

/// Every reason to refuse a server, before anything changes.
///
/// # Errors
/// The reason, as the extension says it.
pub async fn check(context: &Context) -> Result<()> {
    for new in newcomers(context)? {
        context
            .executor()
            .query(
                context.local(),
                maintenance("check the new server").in_cluster(),
                "SELECT expanse.check_new_node($1, $2, $3)",
                &[&new.node_name, &new.host, &i32::from(new.port)],
            )
            .await?;
    }
    context
        .change_state::<Expand>(|state| state.checked = Some(true))
        .await
}

/// # Errors
/// Those of the nodes.
pub async fn lock_schema(context: &Context) -> Result<()> {
    on_cluster(context, "lock the schema", "SELECT expanse.lock_schema($1)").await
}

/// # Errors
/// Those of the nodes.
pub async fn unlock_schema(context: &Context) -> Result<()> {
    on_cluster(
        context,
        "unlock the schema",
        "SELECT expanse.unlock_schema($1)",
    )
    .await
}

async fn on_cluster(context: &Context, name: &'static str, sql: &str) -> Result<()> {
    let id = context.id();
    context
        .executor()
        .query(
            context.local(),
            maintenance(name).in_cluster().limit(METADATA_LIMIT),
            sql,
            &[&id],
        )
        .await?;
    Ok(())
}

/// # Errors
/// Those of the nodes.
pub async fn join(context: &Context) -> Result<()> {
    for new in newcomers(context)? {
        context
            .executor()
            .query(
                context.local(),
                maintenance("join the node")
                    .in_cluster()
                    .limit(METADATA_LIMIT),
                "SELECT expanse.join_node($1, $2, $3, $4)",
                &[&new.node_name, &new.host, &i32::from(new.port), &new.weight],
            )
            .await?;
    }
    Ok(())
}

/// # Errors
/// Those of the nodes; a node that is not there is gone already.
pub async fn abort(context: &Context) -> Result<()> {
    for new in newcomers(context)? {
        let outcome = context
            .executor()
            .query(
                context.local(),
                maintenance("abort the join")
                    .in_cluster()
                    .limit(METADATA_LIMIT),
                "SELECT expanse.abort_join($1)",
                &[&new.node_name],
            )
            .await;
        match outcome {
            Err(error) if error.has_code(sqlstate::UNKNOWN_NODE.code) => {}
            other => drop(other?),
        }
    }
    Ok(())
}

/// With `rebind`, a rebind of every group that is not on the current map.
///
/// # Errors
/// Those of the local server and of the store.
pub async fn submit_rebinds(context: &Context) -> Result<()> {
    let wanted = context.parameters::<Expand>()?;
    if wanted.rebind != Some(true) {
        return Ok(());
    }
    const SQL: &str = "SELECT DISTINCT ON (t.group_id) format('%I.%I', n.nspname, c.relname) \
        FROM expanse.distributed_table t JOIN expanse.colocation_group g USING (group_id) \
        JOIN expanse.hash_map m USING (hash_map_version) \
        JOIN pg_class c ON c.oid = t.relation::oid JOIN pg_namespace n ON n.oid = c.relnamespace \
        WHERE NOT m.current ORDER BY t.group_id, 1";
    let rows = context
        .executor()
        .query(
            context.local(),
            maintenance("look for old groups"),
            SQL,
            &[],
        )
        .await?;
    for row in &rows {
        let relation: String = row.get(0);
        match submit_rebind(context, &relation, &wanted.limits).await {
            // It is rebound already.
            Err(error) if matches!(error.refusal(), Some(Refusal::Conflict { .. })) => {}
            other => drop(other?),
        }
    }
    Ok(())
}
