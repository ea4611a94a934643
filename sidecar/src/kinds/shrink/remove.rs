//! Moving everything off the nodes, and removing them.

use std::time::Duration;

use expanse_core::sqlstate;

use super::check::Found;
use super::Shrink;
use crate::executor::{Command, Weight};
use crate::kinds::children;
use crate::kinds::refusal::Refusal;
use crate::membership::removed;
use crate::operations::error::{Error, Result};
use crate::operations::{maintenance, Context};

const METADATA_LIMIT: Duration = Duration::from_secs(60);
/// Groups that are rebound at once.
const AT_ONCE: usize = 2;
const REMOVE: Command = Command::new("remove the nodes", Weight::Critical).in_cluster();

/// Makes a map without the nodes the current one.
///
/// # Errors
/// Those of the nodes.
pub async fn begin(context: &Context) -> Result<()> {
    let found = Found::of(context)?;
    if found.lost {
        return Ok(());
    }
    if context.state::<Shrink>()?.version_before.is_none() {
        let version: i32 = context
            .executor()
            .value(
                context.local(),
                maintenance("read the current map"),
                "SELECT hash_map_version FROM expanse.hash_map WHERE current",
                &[],
            )
            .await?;
        context
            .change_state::<Shrink>(|state| state.version_before = Some(version))
            .await?;
    }
    let layout = context.parameters::<Shrink>()?.layout();
    context
        .executor()
        .query(
            &found.stays(context),
            maintenance("make a map without the nodes")
                .in_cluster()
                .limit(METADATA_LIMIT),
            "SELECT expanse.begin_shrink($1, $2)",
            &[&found.names(), &layout],
        )
        .await?;
    Ok(())
}

/// Makes the map from before the current one again, or one like it. Lost nodes that are not removed after all are not to
/// set themselves aside when they come back.
///
/// # Errors
/// Those of the nodes and of the store.
pub async fn undo(context: &Context) -> Result<()> {
    let found = Found::of(context)?;
    if found.lost {
        let store = context.journal().store();
        return Ok(removed::take_back(store, context.fence(), &found.ids()).await?);
    }
    let Some(before) = context.state::<Shrink>()?.version_before else {
        return Ok(());
    };
    context
        .executor()
        .query(
            &found.stays(context),
            maintenance("put the nodes into the map again")
                .in_cluster()
                .limit(METADATA_LIMIT),
            "SELECT expanse.undo_shrink($1, $2)",
            &[&found.names(), &before],
        )
        .await?;
    Ok(())
}

/// Rebinds every group that has buckets on the nodes, until there is none.
///
/// # Errors
/// The first that a rebind ended with.
pub async fn rebind(context: &Context) -> Result<()> {
    let found = Found::of(context)?;
    if found.lost {
        return Ok(());
    }
    let limits = context.parameters::<Shrink>()?.limits;
    loop {
        let relations = bound(context, &found).await?;
        if relations.is_empty() {
            return Ok(());
        }
        children::rebind(context, &relations, AT_ONCE, &limits).await?;
    }
}

/// A table of each group that has buckets on the nodes, the largest first. A group whose rebind has switched but not
/// ended still needs the old owners, which its binding does not name any more.
async fn bound(context: &Context, found: &Found) -> Result<Vec<String>> {
    const SQL: &str =
        "SELECT min(expanse.qualified_name(t.relation)) FROM expanse.distributed_table t \
        JOIN expanse.colocation_group g USING (group_id) \
        WHERE EXISTS (SELECT FROM expanse.hash_map_range r JOIN expanse.node n USING (node_id) \
                      WHERE (g.moving_to IS NOT NULL OR r.hash_map_version = g.hash_map_version) \
                        AND n.node_name = ANY ($1::text[])) \
        GROUP BY t.group_id ORDER BY sum(pg_table_size(t.relation::oid)) DESC, 1";
    let rows = context
        .executor()
        .query(
            &found.stays(context),
            maintenance("look for bound groups"),
            SQL,
            &[&found.names()],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Removes the nodes, in short attempts: writes of replicated tables wait while one goes on.
///
/// # Errors
/// [`Error::Awaited`] with what stands in the way.
pub async fn run(context: &Context) -> Result<()> {
    let found = Found::of(context)?;
    // A table may have been colocated with an older one meanwhile. What follows is not left in the middle: the nodes could be
    // removed after it was looked whether they are.
    tokio::select! {
        biased;
        () = context.cancelled().cancelled() => return Err(Error::Cancelled),
        rebound = rebind(context) => rebound?,
    }
    let budget = Duration::from_millis(context.config().operations.max_write_freeze_ms);
    let layout = context.parameters::<Shrink>()?.layout();
    let names = found.names();
    if found.lost {
        removed::note(context.journal().store(), context.fence(), &found.ids()).await?;
    }
    let _alone = context.exclusive().lock().await;
    context.still_leads()?;
    let stays = found.stays(context);
    let attempt = if found.lost {
        context
            .executor()
            .query(
                &stays,
                REMOVE.limit(budget),
                "SELECT expanse.lose_nodes($1, $2)",
                &[&names, &layout],
            )
            .await
    } else {
        context
            .executor()
            .query(
                &stays,
                REMOVE.limit(budget),
                "SELECT expanse.remove_nodes($1)",
                &[&names],
            )
            .await
    };
    attempt.map(drop).map_err(|error| {
        // Still bound, or a transaction that is not decided: both pass.
        let passes = [sqlstate::NODE_STILL_BOUND, sqlstate::TRANSACTION_IN_DOUBT];
        if passes.iter().any(|state| error.has_code(state.code)) {
            Error::Awaited(error)
        } else {
            error.into()
        }
    })
}

/// Whether the nodes are removed.
///
/// # Errors
/// [`Refusal::InDoubt`] while a transaction that may decide it is still prepared; errors of the nodes.
pub async fn turned(context: &Context) -> Result<bool> {
    const SQL: &str = "SELECT EXISTS (SELECT FROM expanse.node WHERE node_name = ANY ($1::text[]) AND state = 'active'), \
        EXISTS (SELECT FROM pg_locks WHERE relation = 'expanse.node'::regclass AND pid IS NULL \
        AND mode = 'RowExclusiveLock')";
    let found = Found::of(context)?;
    let mut undecided = None;
    for server in &found.staying {
        let rows = context
            .executor()
            .query(
                &server.address(),
                maintenance("look for the nodes"),
                SQL,
                &[&found.names()],
            )
            .await?;
        let row = rows.first().expect("a SELECT without FROM has one row");
        if !row.get::<_, bool>(0) {
            return Ok(true);
        }
        if row.get::<_, bool>(1) {
            undecided = Some(server.node_name.clone());
        }
    }
    match undecided {
        None => Ok(false),
        Some(node) => {
            let step = "removal";
            Err(Refusal::InDoubt { node, step }.into())
        }
    }
}
