//! Streams of a paused operation are suspended: their subscriptions are disabled, so that neither side has work with
//! them. The sources keep what has to be sent later, so a long pause costs them room for their write-ahead log.

use super::prefix;
use crate::operations::Result;
use crate::operations::{maintenance, Context};
use crate::postgres::identifier;

/// # Errors
/// Those of the nodes.
pub async fn suspend(context: &Context) -> Result<()> {
    set(context, "DISABLE").await
}

/// # Errors
/// Those of the nodes.
pub async fn resume(context: &Context) -> Result<()> {
    set(context, "ENABLE").await
}

async fn set(context: &Context, what: &str) -> Result<()> {
    const SQL: &str = "SELECT subname::text FROM pg_subscription WHERE starts_with(subname::text, $1::text) \
        AND subenabled <> $2 AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let executor = context.executor();
    let (prefix, enabled) = (prefix(context.id()), what == "ENABLE");
    for node in context.nodes().await? {
        let command = maintenance("look for subscriptions");
        let rows = executor
            .query(&node.address, command, SQL, &[&prefix, &enabled])
            .await?;
        for row in &rows {
            let name: String = row.get(0);
            let alter = format!("ALTER SUBSCRIPTION {} {what}", identifier(&name));
            executor
                .batch(&node.address, maintenance("alter a subscription"), &alter)
                .await?;
        }
    }
    Ok(())
}
