//! SQL on the nodes of the box.

use std::time::{Duration, Instant};

use expanse_core::sqlstate::{self, SqlState};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

use super::state::BoxNode;
use super::BoxError;

/// Patience with a sidecar that has just been started.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// The sidecar does not listen yet; it has not reached the coordination store yet.
const NOT_READY: [SqlState; 2] = [
    sqlstate::SIDECAR_UNREACHABLE,
    sqlstate::COORDINATION_UNAVAILABLE,
];

/// Connects to a node as `postgres`; the task ends once the client is dropped and the server knows.
///
/// # Errors
/// [`BoxError::Sql`].
async fn connect(node: &BoxNode) -> Result<(Client, JoinHandle<()>), BoxError> {
    let parameters = format!(
        "host={} port={} user=postgres dbname=postgres connect_timeout=5 application_name=expansectl",
        node.host, node.port
    );
    let (client, connection) = tokio_postgres::connect(&parameters, NoTls)
        .await
        .map_err(|error| failed(node, &error))?;
    // An error reaches the caller that uses the client.
    let task = tokio::spawn(async move { drop(connection.await) });
    Ok((client, task))
}

/// Makes the first node the cluster, unless it is one.
///
/// # Errors
/// [`BoxError::Sql`].
pub async fn init(node: &BoxNode) -> Result<(), BoxError> {
    let (client, task) = connect(node).await?;
    let run = async {
        client
            .batch_execute("CREATE EXTENSION IF NOT EXISTS expanse")
            .await?;
        let known = client
            .query_one("SELECT count(*) FROM expanse.local_node", &[])
            .await?;
        if known.get::<_, i64>(0) == 0 {
            let port = i32::from(node.port);
            client
                .execute(
                    "SELECT cluster_init($1, $2, $3)",
                    &[&node.name, &node.host, &port],
                )
                .await?;
        }
        Ok::<_, tokio_postgres::Error>(())
    };
    let done = run.await.map_err(|error| failed(node, &error));
    drop(client);
    task.await.ok();
    done
}

/// Adds a node to the cluster of `first`, unless it is in it, and waits for it.
///
/// # Errors
/// [`BoxError::Sql`] with what `cluster_expand` or `cluster_wait` raised.
pub async fn expand(first: &BoxNode, node: &BoxNode) -> Result<(), BoxError> {
    let (client, task) = connect(first).await?;
    let done = expand_by(&client, first, node).await;
    drop(client);
    task.await.ok();
    done
}

async fn expand_by(client: &Client, first: &BoxNode, node: &BoxNode) -> Result<(), BoxError> {
    let known = client
        .query_one(
            "SELECT count(*) FROM expanse.node WHERE node_name = $1 AND state = 'active'",
            &[&node.name],
        )
        .await
        .map_err(|error| failed(first, &error))?;
    if known.get::<_, i64>(0) > 0 {
        return Ok(());
    }
    let patience = Instant::now() + READY_TIMEOUT;
    let operation = loop {
        let port = i32::from(node.port);
        let asked = client
            .query_one(
                "SELECT cluster_expand($1::text, $2::text, $3::int)",
                &[&node.name, &node.host, &port],
            )
            .await;
        match asked {
            Ok(row) => break row.get::<_, i64>(0),
            Err(error) if not_ready(&error) && Instant::now() < patience => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(failed(first, &error)),
        }
    };
    client
        .execute("SELECT cluster_wait($1)", &[&operation])
        .await
        .map_err(|error| failed(first, &error))?;
    Ok(())
}

fn not_ready(error: &tokio_postgres::Error) -> bool {
    error
        .code()
        .is_some_and(|code| NOT_READY.iter().any(|one| one.code == code.code()))
}

fn failed(node: &BoxNode, error: &tokio_postgres::Error) -> BoxError {
    let message = match error.as_db_error() {
        Some(db) => match (db.detail(), db.hint()) {
            (Some(detail), _) => format!("{} ({detail})", db.message()),
            (None, Some(hint)) => format!("{} ({hint})", db.message()),
            _ => db.message().to_owned(),
        },
        None => error.to_string(),
    };
    BoxError::Sql {
        node: node.name.clone(),
        message,
    }
}
