//! Indexes that only queries need, built after the copy where that is safe.
//!
//! A target that owns no bucket of the group yet has no row that a query could look for: no statement is sent to it, and
//! what arrives is invisible until the switch. There, indexes that neither a constraint nor the apply of changes needs are
//! not kept up during the copy ([`defer`]) and built after it ([`build`]). A node that owns rows keeps all of them: its own
//! queries need them. Unique indexes stay as well, since they must refuse what contradicts them when it arrives, and since
//! PostgreSQL finds the row to change by one.
//!
//! Nothing is dropped: the index is marked as not ready in the catalog, with its name, definition, comment and statistics
//! targets, and `REINDEX INDEX CONCURRENTLY` makes it good. So a crash at any moment leaves every index there, and the leader
//! that resumes or undoes the operation builds those that are not ready. Why concurrently: a plain REINDEX locks the index
//! against the planner, and with it every statement on the table that is coordinated by that node.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;

use super::progress;
use crate::cluster::Node;
use crate::kinds::rebind::plan::MovePlan;
use crate::kinds::rebind::state::Rebind;
use crate::operations::Result;
use crate::operations::{maintenance, Context};

/// Building takes as long as there are rows, and waits for older transactions.
const BUILD_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// Defers the indexes of new owners.
///
/// # Errors
/// Those of the nodes.
pub async fn defer(context: &Context) -> Result<()> {
    let plan = MovePlan::of(context)?;
    let mut deferred = BTreeMap::<String, Vec<String>>::new();
    for target in plan.targets() {
        let node = context.node(target).await?;
        const SQL: &str =
            "SELECT format('%I.%I', n.nspname, c.relname) FROM expanse.idle_indexes($1) AS x \
            JOIN pg_class c ON c.oid = x JOIN pg_namespace n ON n.oid = c.relnamespace";
        let command = maintenance("look for indexes");
        let rows = context
            .executor()
            .query(&node.address, command, SQL, &[&plan.group_id])
            .await?;
        if !rows.is_empty() {
            deferred.insert(target.to_owned(), rows.iter().map(|r| r.get(0)).collect());
        }
    }
    if deferred.is_empty() {
        return Ok(());
    }
    let noted = deferred.clone();
    context
        .change_state::<Rebind>(|state| state.deferred_indexes = Some(noted))
        .await?;
    for target in deferred.keys() {
        let node = context.node(target).await?;
        let command = maintenance("defer indexes");
        let sql = "SELECT expanse.rest_indexes($1)";
        context
            .executor()
            .query(&node.address, command, sql, &[&plan.group_id])
            .await?;
    }
    Ok(())
}

/// The step: all indexes are there, and the streams are close behind again.
///
/// # Errors
/// Those of the nodes.
pub async fn built(context: &Context) -> Result<()> {
    if context.state::<Rebind>()?.deferred_indexes.is_none() {
        return Ok(());
    }
    build(context).await?;
    progress::copied(context).await
}

/// Builds what was deferred, on all nodes at once. A node that is not part of the cluster any more has nothing to build.
///
/// # Errors
/// Those of the nodes.
pub async fn build(context: &Context) -> Result<()> {
    let Some(deferred) = context.state::<Rebind>()?.deferred_indexes else {
        return Ok(());
    };
    let plan = MovePlan::of(context)?;
    let nodes = context.nodes().await?;
    let building = nodes
        .iter()
        .filter(|node| !node.leaving())
        .filter_map(|node| Some((node, deferred.get(node.name())?)))
        .map(|(node, names)| build_on(context, &plan, node, names));
    try_join_all(building).await?;
    Ok(())
}

async fn build_on(context: &Context, plan: &MovePlan, node: &Node, names: &[String]) -> Result<()> {
    const SQL: &str = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_index i \
        JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
        WHERE i.indrelid = ANY (SELECT r::regclass::oid FROM unnest($1::text[]) AS r) \
        AND NOT (i.indisvalid AND i.indisready) ORDER BY 1";
    let executor = context.executor();
    let look = maintenance("look for indexes");
    let rows = executor
        .query(&node.address, look, SQL, &[&plan.relations])
        .await?;
    let unready: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    for work in works(&unready, names) {
        let name = node.name();
        let phase = format!("index: {} on node \"{name}\"", work.index());
        context.phase(phase).await?;
        let command = maintenance("build an index").limit(BUILD_LIMIT);
        executor.batch(&node.address, command, &work.sql()).await?;
    }
    Ok(())
}

/// What is to be done with an index that is not ready.
#[derive(Debug, PartialEq, Eq)]
enum Work<'a> {
    /// It is what a build that was interrupted has left.
    Drop(&'a str),
    Build(&'a str),
}

impl Work<'_> {
    fn index(&self) -> &str {
        match self {
            Self::Drop(index) | Self::Build(index) => index,
        }
    }

    fn sql(&self) -> String {
        match self {
            Self::Drop(index) => format!("DROP INDEX CONCURRENTLY IF EXISTS {index}"),
            Self::Build(index) => format!("REINDEX INDEX CONCURRENTLY {index}"),
        }
    }
}

/// Leftovers first, then the builds; an index that is not ready for a reason of its own stays as it is.
fn works<'a>(unready: &'a [String], deferred: &[String]) -> Vec<Work<'a>> {
    let ours = |index: &&String| deferred.contains(index);
    let left = unready.iter().filter(|i| !ours(i) && left_by_reindex(i));
    let drops = left.map(|index| Work::Drop(index));
    let builds = unready.iter().filter(ours).map(|index| Work::Build(index));
    drops.chain(builds).collect()
}

/// The names that REINDEX CONCURRENTLY gives to the new and to the old index (PostgreSQL's manual, "Rebuilding Indexes
/// Concurrently"), a number added when they are taken.
fn left_by_reindex(index: &str) -> bool {
    let bare = index.trim_end_matches('"');
    let bare = bare.trim_end_matches(|c: char| c.is_ascii_digit());
    bare.ends_with("_ccnew") || bare.ends_with("_ccold")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_go_first_and_nothing_of_others_is_touched() {
        let names = |all: &[&str]| all.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let deferred = names(&["public.a", "public.\"B\"", "public.c_ccnew"]);
        let unready = names(&[
            "public.a",
            "public.a_ccnew",
            "public.a_ccold1",
            "public.\"B_ccnew2\"",
            "public.c_ccnew",
            "public.broken",
        ]);
        let expected = [
            Work::Drop("public.a_ccnew"),
            Work::Drop("public.a_ccold1"),
            Work::Drop("public.\"B_ccnew2\""),
            Work::Build("public.a"),
            Work::Build("public.c_ccnew"),
        ];
        assert_eq!(works(&unready, &deferred), expected);
        assert_eq!(works(&[], &deferred), []);
    }
}
