//! What the strategy `rewrite` adds to a rebind.
//!
//! A table that is to have another distribution column gets a colocation group of its own ([`set_apart`]); a plain table
//! becomes a distributed one that lies on its node as a whole (`expanse.adopt_table`). Neither moves a row. Then the
//! rebind goes as any other: copies are told from owned rows by the buckets of the column that the group is bound
//! by, so no intermediate tables are needed, and no row is written twice on the node where it stays. With a change of the
//! column, the streams to the new owners select by the new column and those back by the old one, and the switch
//! makes readers wait as well, since what was planned by the old column is of no use afterwards. At the end the table
//! joins the group that it is together with ([`join`]).

use std::time::Duration;

use super::super::context::{maintenance, Context};
use super::super::error::{refused, Error, Result};
use super::cleanup::{end_move_of, wait_for_statements_of};
use super::plan::{ColumnChange, Pair};
use crate::executor::{Command, Weight};
use crate::postgres::{identifier, literal, NodeAddress};

/// In the journal: the table's own group, the one it had before, the version it goes to.
const GROUP: &str = "group_id";
const GROUP_BEFORE: &str = "group_before";
const TARGET: &str = "target_version";
const CHANGED: &str = "column_change";
/// In the journal: what the table was like before.
const IDENTITY_BEFORE: &str = "identity_before";
const WAS_NULLABLE: &str = "was_nullable";

/// The constraint by which a column is shown to have no null before it is declared so.
const NOT_NULL: &str = "expanse_not_null";
/// Checking or copying takes as long as there are rows.
const SCAN_LIMIT: Duration = Duration::from_secs(24 * 3600);
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

async fn alter(context: &Context, home: &NodeAddress, action: &str) -> Result<()> {
    let relation = relation(context);
    let lock = context.config().operations.lock_timeout_ms;
    let sql = format!("SET LOCAL lock_timeout = {lock}; ALTER TABLE {relation} {action}");
    Ok(context
        .executor()
        .batch(home, CHANGE.limit(CHANGE_LIMIT), &sql)
        .await?)
}

/// Gives the table what a move needs: a replica identity, and a column without nulls. Both without a lock that is held
/// for longer than a moment.
///
/// # Errors
/// XP016 if the column has a null; those of the node.
pub async fn prepare(context: &Context) -> Result<()> {
    if !rewrites(context) {
        return Ok(());
    }
    let home = home(context).await?;
    if let Some(column) = column(context) {
        if target_version(context).is_none() {
            let version = wanted_version(context).await?;
            context.remember(TARGET, version).await?;
        }
        declare_not_null(context, &home, &column).await?;
    }
    give_identity(context, &home).await
}

async fn wanted_version(context: &Context) -> Result<i32> {
    const SQL: &str =
        "SELECT coalesce((SELECT g.hash_map_version FROM expanse.distributed_table t \
        JOIN expanse.colocation_group g USING (group_id) WHERE t.relation = to_regclass($1)), \
        (SELECT hash_map_version FROM expanse.hash_map WHERE current))";
    let with: Option<String> = context.parameter("colocate_with");
    let look = maintenance("read the hash map to go to");
    Ok(context
        .executor()
        .value(context.local(), look, SQL, &[&with])
        .await?)
}

async fn declare_not_null(context: &Context, home: &NodeAddress, column: &str) -> Result<()> {
    const SQL: &str = "SELECT attnotnull FROM pg_attribute \
        WHERE attrelid = $1::text::regclass AND attname = $2::text AND NOT attisdropped";
    let relation = relation(context);
    let look = maintenance("look at the column");
    let declared: bool = context
        .executor()
        .value(home, look, SQL, &[&relation, &column])
        .await?;
    if declared {
        return Ok(());
    }
    context.remember(WAS_NULLABLE, true).await?;
    let id = identifier(column);
    let constraint = format!(
        "DROP CONSTRAINT IF EXISTS {NOT_NULL}, ADD CONSTRAINT {NOT_NULL} CHECK ({id} IS NOT NULL) NOT VALID"
    );
    alter(context, home, &constraint).await?;
    let validate = format!("ALTER TABLE {relation} VALIDATE CONSTRAINT {NOT_NULL}");
    let checked = context
        .executor()
        .batch(home, CHANGE.limit(SCAN_LIMIT), &validate)
        .await;
    match checked {
        Err(error) if error.has_code("23514") => {
            return Err(refused(
                "XP016",
                format!("relation {relation} can not be distributed: column \"{column}\" contains null values"),
                "A distribution column is NOT NULL; give these rows a value first.",
            ))
        }
        other => other?,
    }
    let declare = format!("ALTER COLUMN {id} SET NOT NULL, DROP CONSTRAINT {NOT_NULL}");
    alter(context, home, &declare).await
}

/// Without a replica identity PostgreSQL follows changes by the whole row.
async fn give_identity(context: &Context, home: &NodeAddress) -> Result<()> {
    const SQL: &str = "SELECT c.relreplident::text FROM pg_class c WHERE c.oid = $1::text::regclass \
        AND CASE c.relreplident WHEN 'f' THEN false WHEN 'n' THEN true \
            WHEN 'i' THEN NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident) \
            ELSE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) END";
    let look = maintenance("look at the replica identity");
    let rows = context
        .executor()
        .query(home, look, SQL, &[&relation(context)])
        .await?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    context
        .remember(IDENTITY_BEFORE, row.get::<_, String>(0))
        .await?;
    alter(context, home, "REPLICA IDENTITY FULL").await
}

/// A distributed table without a primary key keeps FULL, as it gets when it is spread.
async fn restore_identity(context: &Context, home: &NodeAddress, spread: bool) -> Result<()> {
    match context.remembered::<String>(IDENTITY_BEFORE).as_deref() {
        Some("n") => alter(context, home, "REPLICA IDENTITY NOTHING").await,
        Some(_) if !spread => alter(context, home, "REPLICA IDENTITY DEFAULT").await,
        _ => Ok(()),
    }
}

/// # Errors
/// Those of the node.
pub async fn undo_prepare(context: &Context) -> Result<()> {
    if !rewrites(context) {
        return Ok(());
    }
    let home = home(context).await?;
    let look = maintenance("look for the table");
    let there: bool = context
        .executor()
        .value(
            &home,
            look,
            "SELECT to_regclass($1) IS NOT NULL",
            &[&relation(context)],
        )
        .await?;
    if !there {
        return Ok(());
    }
    if let (Some(column), Some(true)) = (column(context), context.remembered::<bool>(WAS_NULLABLE))
    {
        let id = identifier(&column);
        let undo = format!("DROP CONSTRAINT IF EXISTS {NOT_NULL}, ALTER COLUMN {id} DROP NOT NULL");
        alter(context, &home, &undo).await?;
    }
    let spread = context.parameter::<String>("node").is_none();
    restore_identity(context, &home, spread).await
}

/// The table has a group of its own from here on, which nobody else changes.
///
/// # Errors
/// Those of the nodes.
pub async fn set_apart(context: &Context) -> Result<()> {
    let Some(column) = column(context) else {
        return Ok(());
    };
    let target: i32 = context.recall(TARGET)?;
    let name = literal(&relation(context));
    let home = home(context).await?;
    let sql = if context.parameter::<String>("node").is_some() {
        format!(
            "SELECT expanse.adopt_table({name}, {}, {target})",
            literal(&column)
        )
    } else {
        if context.remembered::<i32>(GROUP_BEFORE).is_none() {
            let (group, by) = binding(context).await?;
            context.remember(GROUP_BEFORE, group).await?;
            if by != column {
                let change = ColumnChange {
                    from: by,
                    to: column,
                };
                context.remember(CHANGED, change).await?;
            }
        }
        format!("SELECT expanse.set_apart({name}, {target})")
    };
    let group: i32 = change(context, &home, &sql).await?;
    context.remember(GROUP, group).await?;
    // Statements that planned while the table was in the other group still hold that one's gate.
    match context.remembered::<i32>(GROUP_BEFORE) {
        Some(before) if before != group => wait_for_statements_of(context, before).await,
        _ => Ok(()),
    }
}

async fn binding(context: &Context) -> Result<(i32, String)> {
    const SQL: &str = "SELECT group_id, distribution_column FROM expanse.distributed_table \
        WHERE relation = to_regclass($1) AND group_id <> 0";
    let relation = relation(context);
    let look = maintenance("read the binding");
    let rows = context
        .executor()
        .query(context.local(), look, SQL, &[&relation])
        .await?;
    let row = rows.first().ok_or_else(|| {
        refused(
            "XP018",
            format!("relation \"{relation}\" is not distributed"),
            "See SELECT * FROM cluster_tables.",
        )
    })?;
    Ok((row.get(0), row.get(1)))
}

/// The table is in the group that it had, or is a plain table again.
///
/// # Errors
/// Those of the nodes.
pub async fn undo_set_apart(context: &Context) -> Result<()> {
    if column(context).is_none() {
        return Ok(());
    }
    let Ok((group, _)) = binding(context).await else {
        return Ok(());
    };
    let name = literal(&relation(context));
    if context.parameter::<String>("node").is_some() {
        end_move_of(context, group).await?;
        let sql = format!("SELECT cluster_localize_table({name})::text");
        let home = home(context).await?;
        return change::<Option<String>>(context, &home, &sql)
            .await
            .map(drop);
    }
    let Some(before) = context.remembered::<i32>(GROUP_BEFORE) else {
        return Ok(());
    };
    end_move_of(context, group).await?;
    if before != group {
        let sql = format!("SELECT expanse.join_group({name}, {before})");
        change::<bool>(context, context.local(), &sql).await?;
    }
    Ok(())
}

/// The change of the distribution column, if it changes.
pub fn column_change(context: &Context) -> Option<ColumnChange> {
    context.remembered(CHANGED)
}

/// Every node that has rows gives to every node that gets some, but to itself.
///
/// # Errors
/// Those of the local server.
pub async fn pairs(context: &Context, from_version: i32, to_version: i32) -> Result<Vec<Pair>> {
    const SQL: &str = "SELECT n.node_name, array_agg(r.first_bucket ORDER BY r.first_bucket), array_agg(r.last_bucket ORDER BY r.first_bucket) \
        FROM expanse.hash_map_range r JOIN expanse.node n USING (node_id) \
        WHERE r.hash_map_version = $1 GROUP BY 1 ORDER BY 1";
    let mut sides = Vec::new();
    for version in [from_version, to_version] {
        let look = maintenance("read a hash map");
        let rows = context
            .executor()
            .query(context.local(), look, SQL, &[&version])
            .await?;
        let ranges = rows.iter().map(|row| {
            let (first, last): (Vec<i32>, Vec<i32>) = (row.get(1), row.get(2));
            let ranges: Vec<(i32, i32)> = first.into_iter().zip(last).collect();
            (row.get::<_, String>(0), ranges)
        });
        sides.push(ranges.collect::<Vec<_>>());
    }
    Ok(every_pair(&sides[0], &sides[1]))
}

fn every_pair(from: &[(String, Vec<(i32, i32)>)], to: &[(String, Vec<(i32, i32)>)]) -> Vec<Pair> {
    from.iter()
        .flat_map(|(source, old_ranges)| {
            let others = to.iter().filter(move |(target, _)| target != source);
            others.map(move |(target, ranges)| Pair {
                source: source.clone(),
                target: target.clone(),
                ranges: ranges.clone(),
                old_ranges: old_ranges.clone(),
            })
        })
        .collect()
}

/// The table joins the group that it is now together with, if there is one.
///
/// # Errors
/// Those of the nodes.
pub async fn join(context: &Context) -> Result<()> {
    if !rewrites(context) {
        return Ok(());
    }
    if column(context).is_some() {
        let name = literal(&relation(context));
        let with = match context.parameter::<String>("colocate_with") {
            Some(other) => format!(
                ", (SELECT group_id FROM expanse.distributed_table WHERE relation = to_regclass({}))",
                literal(&other)
            ),
            None => String::new(),
        };
        let sql = format!("SELECT expanse.join_group({name}{with})");
        let joined = change::<bool>(context, context.local(), &sql).await;
        match joined {
            Ok(joined) => tracing::info!(
                operation = context.id(),
                joined,
                "looked for a group to join"
            ),
            // Dropped since.
            Err(Error::Postgres(error)) if error.has_code("42P01") => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    restore_identity(context, &home(context).await?, true).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_gives_to_everybody_else() {
        let side = |names: &[&str]| -> Vec<(String, Vec<(i32, i32)>)> {
            names
                .iter()
                .enumerate()
                .map(|(n, name)| ((*name).to_owned(), vec![(n as i32 * 10, n as i32 * 10 + 9)]))
                .collect()
        };
        let pairs = every_pair(&side(&["a", "b"]), &side(&["b", "c", "a"]));
        let shown: Vec<_> = pairs
            .iter()
            .map(|p| {
                (
                    p.source.as_str(),
                    p.target.as_str(),
                    p.ranges[0].0,
                    p.old_ranges[0].0,
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("a", "b", 0, 0),
                ("a", "c", 10, 0),
                ("b", "c", 10, 10),
                ("b", "a", 20, 10)
            ]
        );
    }
}
