//! Copying the replicated tables to the new node, and keeping them up to date until it is active.

use super::join::addresses;
use super::state::Expand;
use crate::cluster::Node;
use crate::operations::{maintenance, Context, Result};
use crate::postgres::NodeAddress;
use crate::streams::check_replica_identity;
use crate::streams::Refusal;
use crate::streams::{open, prefix, subscribe, sweep, Stream};

/// The streams of the replicated tables, one for each new node; none if there are no such tables.
///
/// # Errors
/// Those of the local server.
pub async fn streams(context: &Context) -> Result<Vec<Stream>> {
    let relations = relations(context).await?;
    if relations.is_empty() {
        return Ok(Vec::new());
    }
    let source = source(context).await?;
    let targets = addresses(context)?.into_iter().enumerate();
    Ok(targets
        .map(|(n, target)| Stream {
            name: format!("{}replicated_{n}", prefix(context.id())),
            source: source.clone(),
            target,
            tables: relations.join(", "),
        })
        .collect())
}

/// The node that gives the copy: the one that was chosen first, also after a takeover.
async fn source(context: &Context) -> Result<NodeAddress> {
    if let Some(name) = context.state::<Expand>()?.copy_from {
        return Ok(context.node(&name).await?.address);
    }
    let local = context.local().clone();
    let name = local.node_name.clone();
    context
        .change_state::<Expand>(|state| state.copy_from = Some(name))
        .await?;
    Ok(local)
}

async fn relations(context: &Context) -> Result<Vec<String>> {
    const SQL: &str =
        "SELECT format('%I.%I', n.nspname, c.relname) FROM expanse.distributed_table t \
        JOIN pg_class c ON c.oid = t.relation::oid JOIN pg_namespace n ON n.oid = c.relnamespace \
        WHERE t.group_id = 0 ORDER BY 1";
    let rows = context
        .executor()
        .query(
            context.local(),
            maintenance("read the replicated tables"),
            SQL,
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Starts the stream and waits until every table is copied.
///
/// # Errors
/// Those of both servers.
pub async fn copy(context: &Context) -> Result<()> {
    let streams = streams(context).await?;
    if streams.is_empty() {
        return Ok(());
    }
    check_replica_identity(context, &relations(context).await?).await?;
    for stream in &streams {
        open(context, stream).await?;
        subscribe(context, &stream.target, std::slice::from_ref(stream)).await?;
    }
    for stream in &streams {
        wait_until_ready(context, stream).await?;
    }
    Ok(())
}

async fn wait_until_ready(context: &Context, stream: &Stream) -> Result<()> {
    const SQL: &str = "SELECT count(*) FILTER (WHERE r.srsubstate = 'r'), count(*), \
        coalesce((SELECT e.apply_error_count + e.sync_error_count FROM pg_stat_subscription_stats e \
                  WHERE e.subname = $1::text), 0) \
        FROM pg_subscription s JOIN pg_subscription_rel r ON r.srsubid = s.oid WHERE s.subname = $1::text";
    loop {
        let rows = context
            .executor()
            .query(
                &stream.target,
                maintenance("watch the copy"),
                SQL,
                &[&stream.name],
            )
            .await?;
        let row = rows.first().expect("an aggregate has one row");
        let (ready, all, failures): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
        if all > 0 && ready == all {
            return Ok(());
        }
        if failures >= 10 {
            return Err(Refusal::Failing {
                stream: stream.name.clone(),
                failures,
                node: stream.target.node_name.clone(),
            }
            .into());
        }
        context
            .phase(format!("copy: {ready} of {all} replicated tables"))
            .await?;
        context.poll_interval().await;
    }
}

/// # Errors
/// Those of the nodes.
pub async fn drop_stream(context: &Context) -> Result<()> {
    let mut nodes = context.nodes().await?;
    for new in addresses(context)? {
        if !nodes.iter().any(|node| node.address == new)
            && context.state::<Expand>()?.copy_from.is_some()
        {
            nodes.push(Node {
                node_id: i32::MAX,
                address: new,
                weight: 1,
                state: "joining".into(),
            });
        }
    }
    sweep(context, &nodes, &prefix(context.id())).await
}
