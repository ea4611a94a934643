//! What is left of nodes that have left: in the cluster, and on their servers.

use expanse_core::objects::OF_USERS;
use serde_json::json;
use tokio_postgres::error::SqlState;

use super::check::{Found, Server};
use super::refusal::Refusal;
use crate::kinds::storage::members;
use crate::operations::error::{Error, Result};
use crate::operations::{maintenance, Context};
use crate::postgres::{literal, NodeAddress};

/// Waits until no transaction of the cluster is prepared on the servers, then forgets the nodes.
///
/// # Errors
/// [`Refusal::StillPrepared`] while one is; those of the nodes.
pub async fn settle(context: &Context) -> Result<()> {
    const SQL: &str = "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() \
        AND gid LIKE 'expanse\\_%' ORDER BY 1 LIMIT 1";
    let found = Found::of(context)?;
    if found.lost {
        for server in &found.staying {
            finish_transactions(context, &found, &server.address()).await?;
        }
    } else {
        for server in &found.leaving {
            let command = maintenance("look for prepared transactions");
            let rows = context
                .executor()
                .query(&server.address(), command, SQL, &[])
                .await?;
            if let Some(row) = rows.first() {
                return Err(Refusal::StillPrepared {
                    gid: row.get(0),
                    node: server.node_name.clone(),
                }
                .into());
            }
        }
    }
    refuse_in_use(context, &found).await?;
    context
        .executor()
        .query(
            &found.stays(context),
            maintenance("forget the nodes").in_cluster(),
            "SELECT expanse.forget_nodes($1)",
            &[&found.names()],
        )
        .await?;
    Ok(())
}

/// While any group moves no hash map is dropped, and a rebind onto a lost node first has to find out and go back.
async fn refuse_in_use(context: &Context, found: &Found) -> Result<()> {
    const SQL: &str = "SELECT group_id FROM expanse.colocation_group WHERE moving_to IS NOT NULL AND EXISTS (\
        SELECT FROM expanse.hash_map_range JOIN expanse.node USING (node_id) WHERE node_name = ANY ($1::text[])) \
        ORDER BY 1 LIMIT 1";
    let look = maintenance("look for hash maps of the nodes");
    let rows = context
        .executor()
        .query(&found.stays(context), look, SQL, &[&found.names()])
        .await?;
    match rows.first() {
        None => Ok(()),
        Some(row) => {
            let group_id = row.get(0);
            Err(Refusal::GroupMoves { group_id }.into())
        }
    }
}

/// Whether a transaction that a lost node coordinated has committed went with it; none was acknowledged that is not
/// committed where it could be seen, so what is still prepared is rolled back.
async fn finish_transactions(context: &Context, found: &Found, node: &NodeAddress) -> Result<()> {
    const SQL: &str = "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() \
        AND EXISTS (SELECT FROM unnest($1::int[]) AS l WHERE starts_with(gid, format('expanse_%s_', l)))";
    let lost: Vec<i32> = found.leaving.iter().map(|s| s.node_id).collect();
    let command = maintenance("look for transactions of lost nodes");
    let rows = context
        .executor()
        .query(node, command, SQL, &[&lost])
        .await?;
    for row in &rows {
        let gid: String = row.get(0);
        let rollback = format!("ROLLBACK PREPARED {}", literal(&gid));
        let ended = context
            .executor()
            .batch(node, maintenance("end a transaction"), &rollback)
            .await;
        match ended {
            Err(error) if error.has_code(SqlState::UNDEFINED_OBJECT.code()) => {}
            other => other?,
        }
        tracing::warn!(
            operation = context.id(),
            gid,
            "rolled back: its coordinator is lost"
        );
    }
    Ok(())
}

/// Removes from the servers what they have in common with the cluster, so that they can come again. What is only there
/// stays, and so does what it needs.
///
/// # Errors
/// Those of the nodes that stay; a server that does not answer keeps what it has.
pub async fn empty(context: &Context) -> Result<()> {
    let found = Found::of(context)?;
    if found.lost {
        return Ok(());
    }
    for server in &found.leaving {
        match empty_server(context, &found, server).await {
            Err(Error::Postgres(error)) if error.is_absence() => {
                tracing::warn!(operation = context.id(), %error, "the server keeps what it has");
            }
            other => other?,
        }
    }
    Ok(())
}

async fn empty_server(context: &Context, found: &Found, server: &Server) -> Result<()> {
    let executor = context.executor();
    let theirs = objects(context, &server.address()).await?;
    let ours = objects(context, &found.stays(context)).await?;
    let common: Vec<&(String, String)> = theirs.iter().filter(|o| ours.contains(o)).collect();
    if common.is_empty() {
        return members::take(context, &server.address(), &found.stays(context), &[]).await;
    }
    let drops: Vec<String> = common
        .iter()
        .map(|(kind, identity)| format!("DROP {kind} {identity}"))
        .collect();
    // What depends on something else goes first; what something of the server's own needs is left.
    let body = format!(
        "DECLARE statement text; dropped bool; BEGIN LOOP dropped := false; \
         FOR statement IN SELECT jsonb_array_elements_text({}) LOOP BEGIN EXECUTE statement; dropped := true; \
         EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; EXIT WHEN NOT dropped; END LOOP; END",
        literal(&json!(drops).to_string())
    );
    let sql = format!("DO {}", literal(&body));
    executor
        .batch(&server.address(), maintenance("empty the server"), &sql)
        .await?;
    members::take(context, &server.address(), &found.stays(context), &[]).await
}

/// Objects of users other than tables: kind as in DROP, and identity.
async fn objects(context: &Context, node: &NodeAddress) -> Result<Vec<(String, String)>> {
    let sql = format!(
        "SELECT upper(type), identity FROM ({OF_USERS}) AS o WHERE type NOT IN ('table', 'foreign table')"
    );
    let command = maintenance("look for objects");
    let rows = context.executor().query(node, command, &sql, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
