//! What the strategy `rewrite` adds to a rebind.
//!
//! A table that is to have another distribution column gets a colocation group of its own ([`own_group`]), once it has what a
//! move needs ([`prepare`]); a plain table
//! becomes a distributed one that lies on its node as a whole (`expanse.adopt_table`). Neither moves a row. Then the
//! rebind goes as any other: copies are told from owned rows by the buckets of the column that the group is bound
//! by, so no intermediate tables are needed, and no row is written twice on the node where it stays. With a change of the
//! column, the streams to the new owners select by the new column and those back by the old one, and the switch
//! makes readers wait as well, since what was planned by the old column is of no use afterwards. At the end the table
//! joins the group that it is together with.

use std::time::Duration;

mod identity;
mod nulls;
mod own_group;
mod pairs;
mod prepare;

use crate::executor::{Command, Weight};
use crate::kinds::rebind::state::Rebind;
use crate::operations::Context;
use crate::operations::Result;
use crate::postgres::NodeAddress;

pub use own_group::{give_own_group, join, undo_own_group};
pub use pairs::pairs;
pub use prepare::{prepare, undo_prepare};

const CHANGE_LIMIT: Duration = Duration::from_secs(30);
const CHANGE: Command =
    Command::new("change the table for a rewrite", Weight::Critical).in_cluster();

/// The distribution column that is wanted, when the strategy changes more than the hash map.
///
/// # Errors
/// [`Error::Damaged`](crate::operations::Error::Damaged).
pub fn column(context: &Context) -> Result<Option<String>> {
    Ok(context.parameters::<Rebind>()?.distribution_column)
}

/// The group that moves: known from the beginning, or since the table has a group of its own.
///
/// # Errors
/// [`Error::Damaged`](crate::operations::Error::Damaged).
pub fn group(context: &Context) -> Result<Option<i32>> {
    Ok(match column(context)? {
        Some(_) => context.state::<Rebind>()?.group_id,
        None => context.parameters::<Rebind>()?.group_id,
    })
}

/// The version that a rewrite goes to.
///
/// # Errors
/// [`Error::Damaged`](crate::operations::Error::Damaged).
pub fn target_version(context: &Context) -> Result<Option<i32>> {
    Ok(context.state::<Rebind>()?.target_version)
}

fn rewrites(context: &Context) -> Result<bool> {
    Ok(context.parameters::<Rebind>()?.rewrites())
}

fn relation(context: &Context) -> String {
    context.entry().operation.target
}

/// The server that has the table: any, unless it is a plain table of one.
async fn home(context: &Context) -> Result<NodeAddress> {
    match context.parameters::<Rebind>()?.node {
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
