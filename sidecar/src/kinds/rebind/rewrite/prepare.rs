//! What a table needs before it can move, and had not.

use super::{briefly, column, home, identity, nulls, relation, rewrites, target_version};
use crate::kinds::rebind::state::Rebind;
use crate::operations::Result;
use crate::operations::{maintenance, Context};
use crate::postgres::{literal, NodeAddress};

/// Gives the table what a move needs: a replica identity, and a column without nulls. Both without a lock that is held
/// for longer than a moment.
///
/// # Errors
/// [`Refusal::Null`](crate::kinds::rebind::refusal::Refusal::Null); those of the node.
pub async fn prepare(context: &Context) -> Result<()> {
    if !rewrites(context)? {
        return Ok(());
    }
    let home = home(context).await?;
    if let Some(column) = column(context)? {
        if target_version(context)?.is_none() {
            let version = wanted_version(context).await?;
            context
                .change_state::<Rebind>(|state| state.target_version = Some(version))
                .await?;
        }
        nulls::forbid(context, &home, &column).await?;
    }
    watch_key(context, &home, true).await?;
    identity::give(context, &home).await
}

/// The triggers that the table may need as a distributed one.
async fn watch_key(context: &Context, home: &NodeAddress, watch: bool) -> Result<()> {
    if column(context)?.is_none() {
        return Ok(());
    }
    let call = format!(
        "SELECT expanse.guard_key({}::text::regclass, {watch})",
        literal(&relation(context))
    );
    briefly(context, home, &call).await
}

async fn wanted_version(context: &Context) -> Result<i32> {
    const SQL: &str =
        "SELECT coalesce((SELECT g.hash_map_version FROM expanse.distributed_table t \
        JOIN expanse.colocation_group g USING (group_id) WHERE t.relation = to_regclass($1)), \
        (SELECT hash_map_version FROM expanse.hash_map WHERE current))";
    let with = context.parameters::<Rebind>()?.colocate_with;
    let look = maintenance("read the hash map to go to");
    Ok(context
        .executor()
        .value(context.local(), look, SQL, &[&with])
        .await?)
}

/// # Errors
/// Those of the node.
pub async fn undo_prepare(context: &Context) -> Result<()> {
    if !rewrites(context)? {
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
    nulls::allow_again(context, &home).await?;
    let distributed = context.parameters::<Rebind>()?.node.is_none();
    if !distributed {
        watch_key(context, &home, false).await?;
    }
    identity::restore(context, &home, distributed).await
}
