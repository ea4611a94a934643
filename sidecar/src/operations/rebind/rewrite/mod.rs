//! What the strategy `rewrite` adds to a rebind.
//!
//! A table that is to have another distribution column gets a colocation group of its own ([`apart`]), once it has what a
//! move needs ([`prepare`]); a plain table
//! becomes a distributed one that lies on its node as a whole (`expanse.adopt_table`). Neither moves a row. Then the
//! rebind goes as any other: copies are told from owned rows by the buckets of the column that the group is bound
//! by, so no intermediate tables are needed, and no row is written twice on the node where it stays. With a change of the
//! column, the streams to the new owners select by the new column and those back by the old one, and the switch
//! makes readers wait as well, since what was planned by the old column is of no use afterwards. At the end the table
//! joins the group that it is together with.

use std::time::Duration;

mod apart;
mod identity;
mod nulls;
mod pairs;
mod prepare;

use super::super::context::Context;
use super::super::error::Result;
use super::plan::ColumnChange;
use crate::executor::{Command, Weight};
use crate::postgres::NodeAddress;

pub use apart::{join, set_apart, undo_set_apart};
pub use pairs::pairs;
pub use prepare::{prepare, undo_prepare};

/// In the journal: the table's own group, the version it goes to, the change of its column.
const GROUP: &str = "group_id";
const TARGET: &str = "target_version";
const CHANGED: &str = "column_change";
const CHANGE_LIMIT: Duration = Duration::from_secs(30);
const CHANGE: Command =
    Command::new("change the table for a rewrite", Weight::Critical).in_cluster();

/// The distribution column that is wanted, when the strategy changes more than the hash map.
pub fn column(context: &Context) -> Option<String> {
    context.parameter("distribution_column")
}

/// The group that moves: known from the beginning, or since the table was set apart.
pub fn group(context: &Context) -> Option<i32> {
    match column(context) {
        Some(_) => context.remembered(GROUP),
        None => context.parameter("group_id"),
    }
}

/// The version that a rewrite goes to.
pub fn target_version(context: &Context) -> Option<i32> {
    context.remembered(TARGET)
}

fn rewrites(context: &Context) -> bool {
    context.parameter::<String>("strategy").as_deref() == Some("rewrite")
}

fn relation(context: &Context) -> String {
    context.entry().operation.target
}

/// The server that has the table: any, unless it is a plain table of one.
async fn home(context: &Context) -> Result<NodeAddress> {
    match context.parameter::<String>("node") {
        Some(name) => Ok(context.node(&name).await?.address),
        None => Ok(context.local().clone()),
    }
}

/// One change whose locks are waited for briefly, and which is undone if its sidecar is gone.
async fn change<T: tokio_postgres::types::FromSqlOwned>(
    context: &Context,
    home: &NodeAddress,
    sql: &str,
) -> Result<T> {
    let lock = context.config().operations.lock_timeout_ms;
    let session = context.executor().lease(home, CHANGE).await?;
    let begin = format!(
        "BEGIN; SET LOCAL lock_timeout = {lock}; SET LOCAL idle_in_transaction_session_timeout = '1s'"
    );
    session
        .batch("begin a change", &begin, CHANGE_LIMIT)
        .await?;
    let outcome = session
        .value("change a table", sql, &[], CHANGE_LIMIT)
        .await;
    let end = if outcome.is_ok() {
        "COMMIT"
    } else {
        "ROLLBACK"
    };
    let ended = session.batch("end a change", end, CHANGE_LIMIT).await;
    let value = outcome?;
    ended?;
    Ok(value)
}

async fn alter(context: &Context, home: &NodeAddress, relation: &str, action: &str) -> Result<()> {
    briefly(context, home, &format!("ALTER TABLE {relation} {action}")).await
}

/// Changes a table by a statement that does not wait for locks for long.
async fn briefly(context: &Context, home: &NodeAddress, statement: &str) -> Result<()> {
    let lock = context.config().operations.lock_timeout_ms;
    let sql = format!("SET LOCAL lock_timeout = {lock}; {statement}");
    Ok(context
        .executor()
        .batch(home, CHANGE.limit(CHANGE_LIMIT), &sql)
        .await?)
}

/// The change of the distribution column, if it changes.
pub fn column_change(context: &Context) -> Option<ColumnChange> {
    context.remembered(CHANGED)
}
