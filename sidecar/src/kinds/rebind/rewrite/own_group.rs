//! A table gets a group of its own, and joins another one at the end.

use expanse_core::sqlstate;
use tokio_postgres::error::SqlState;

use super::{change, column, home, identity, relation, rewrites};
use crate::kinds::rebind::cleanup::{end_move_of, wait_for_statements_of};
use crate::kinds::rebind::plan::ColumnChange;
use crate::kinds::rebind::state::Rebind;
use crate::kinds::refusal::Refusal;
use crate::operations::{maintenance, Context, Result};
use crate::postgres::literal;

/// The table has a group of its own from here on, which no other operation changes.
///
/// # Errors
/// Those of the nodes.
pub async fn give_own_group(context: &Context) -> Result<()> {
    let Some(column) = column(context)? else {
        return Ok(());
    };
    let target = context.noted(context.state::<Rebind>()?.target_version, "target_version")?;
    let name = literal(&relation(context));
    let home = home(context).await?;
    let sql = if context.parameters::<Rebind>()?.node.is_some() {
        format!(
            "SELECT expanse.adopt_table({name}, {}, {target})",
            literal(&column)
        )
    } else {
        if context.state::<Rebind>()?.group_before.is_none() {
            note_binding(context, column).await?;
        }
        format!("SELECT expanse.set_apart({name}, {target})")
    };
    let group: i32 = change(context, &home, &sql).await?;
    context
        .change_state::<Rebind>(|state| state.group_id = Some(group))
        .await?;
    // Statements that planned while the table was in the other group still hold that one's group lock.
    match context.state::<Rebind>()?.group_before {
        Some(before) if before != group => wait_for_statements_of(context, before).await,
        _ => Ok(()),
    }
}

/// Notes the group that the table had, and the change of its distribution column to `column`.
async fn note_binding(context: &Context, column: String) -> Result<()> {
    let (group, by) = binding(context).await?;
    context
        .change_state::<Rebind>(|state| {
            state.group_before = Some(group);
            if by != column {
                state.column_change = Some(ColumnChange {
                    from: by,
                    to: column,
                });
            }
        })
        .await
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
    let row = rows.first().ok_or(Refusal::NotDistributed { relation })?;
    Ok((row.get(0), row.get(1)))
}

/// The table is in the group that it had, or is a plain table again.
///
/// # Errors
/// Those of the nodes.
pub async fn undo_own_group(context: &Context) -> Result<()> {
    if column(context)?.is_none() {
        return Ok(());
    }
    let group = match binding(context).await {
        Ok((group, _)) => group,
        // Dropped since, or a plain table still.
        Err(error) if matches!(error.refusal(), Some(Refusal::NotDistributed { .. })) => {
            return Ok(())
        }
        Err(error) => return Err(error),
    };
    let name = literal(&relation(context));
    if context.parameters::<Rebind>()?.node.is_some() {
        end_move_of(context, group).await?;
        let sql = format!("SELECT cluster_localize_table({name})::text");
        let home = home(context).await?;
        return change::<Option<String>>(context, &home, &sql)
            .await
            .map(drop);
    }
    let Some(before) = context.state::<Rebind>()?.group_before else {
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
    if !rewrites(context)? {
        return Ok(());
    }
    if column(context)?.is_some() {
        let name = literal(&relation(context));
        let with = match context.parameters::<Rebind>()?.colocate_with {
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
            Err(error)
                if error.has_code(SqlState::UNDEFINED_TABLE.code())
                    || error.has_code(sqlstate::NOT_DISTRIBUTED.code) =>
            {
                return Ok(())
            }
            Err(error) => return Err(error),
        }
    }
    identity::restore(context, &home(context).await?, true).await
}
