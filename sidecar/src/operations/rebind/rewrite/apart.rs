//! A table gets a group of its own, and joins another one at the end.

use super::super::super::context::{maintenance, Context};
use super::super::super::error::{refused, Error, Result};
use super::super::cleanup::{end_move_of, wait_for_statements_of};
use super::super::plan::ColumnChange;
use super::{change, column, home, identity, relation, rewrites, CHANGED, GROUP, TARGET};
use crate::postgres::literal;

/// In the journal: the group that the table had.
const GROUP_BEFORE: &str = "group_before";
const NOT_DISTRIBUTED: &str = "XP018";

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
            NOT_DISTRIBUTED,
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
    let group = match binding(context).await {
        Ok((group, _)) => group,
        // Dropped since, or a plain table still.
        Err(Error::Refused(error)) if error.sqlstate == NOT_DISTRIBUTED => return Ok(()),
        Err(error) => return Err(error),
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
            // Dropped since, or a plain table again.
            Err(Error::Postgres(error))
                if error.has_code("42P01") || error.has_code(NOT_DISTRIBUTED) =>
            {
                return Ok(())
            }
            Err(error) => return Err(error),
        }
    }
    identity::restore(context, &home(context).await?, true).await
}
