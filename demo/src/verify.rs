//! Compares the cluster's content with a plain database that went through the same.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use crate::tpch::{load, Table, TABLES};
use crate::workload::effect::Step;
use crate::workload::Effect;
use crate::Error;

/// Statements in flight at once while a log is replayed.
const PIPELINE: usize = 256;

/// Rows and an order-independent digest of a table: the sum of a 64-bit hash of each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    pub rows: i64,
    pub digest: String,
}

/// One table, on the cluster and on the plain database.
#[derive(Debug, Clone)]
pub struct Compared {
    pub table: &'static str,
    pub cluster: Digest,
    pub plain: Digest,
}

impl Compared {
    pub fn equal(&self) -> bool {
        self.cluster == self.plain
    }
}

/// Fills a plain database with the generated rows.
///
/// # Errors
/// [`Error::Server`].
pub async fn fill(plain: &Client, scale: f64) -> Result<(), Error> {
    plain.batch_execute("SET synchronous_commit = off").await?;
    load::create(plain, false).await?;
    for table in &TABLES {
        load::load(plain, table.name, scale).await?;
    }
    Ok(())
}

/// Does to a plain database what the writers did to the cluster. The logs are independent of each
/// other, so they are done one after the other.
///
/// # Errors
/// [`Error::Server`].
pub async fn replay(plain: &Client, logs: &[Vec<Effect>]) -> Result<(), Error> {
    let mut prepared: HashMap<&'static str, Statement> = HashMap::new();
    let steps: Vec<Step> = logs.iter().flatten().flat_map(Effect::steps).collect();
    for step in &steps {
        if !prepared.contains_key(step.sql) {
            prepared.insert(step.sql, plain.prepare(step.sql).await?);
        }
    }
    for chunk in steps.chunks(PIPELINE) {
        plain.batch_execute("BEGIN").await?;
        try_join_all(
            chunk
                .iter()
                .map(|step| execute(plain, &prepared[step.sql], step)),
        )
        .await?;
        plain.batch_execute("COMMIT").await?;
    }
    Ok(())
}

async fn execute(client: &Client, statement: &Statement, step: &Step) -> Result<u64, Error> {
    let parameters: Vec<&(dyn ToSql + Sync)> = step
        .parameters
        .iter()
        .map(|p| p as &(dyn ToSql + Sync))
        .collect();
    Ok(client.execute(statement, &parameters).await?)
}

/// Reads every table of both and compares.
///
/// # Errors
/// [`Error::Server`]; a difference is not an error here.
pub async fn compare(cluster: &Client, plain: &Client) -> Result<Vec<Compared>, Error> {
    let mut compared = Vec::new();
    for table in &TABLES {
        let (cluster, plain) = tokio::try_join!(digest(cluster, table), digest(plain, table))?;
        compared.push(Compared {
            table: table.name,
            cluster,
            plain,
        });
    }
    Ok(compared)
}

async fn digest(client: &Client, table: &Table) -> Result<Digest, Error> {
    let statement = format!(
        "SELECT count(*), sum(hash_record_extended(ROW({}), 0))::text FROM {}",
        table.column_list(),
        table.name
    );
    let row = client.query_one(&statement, &[]).await?;
    let digest = row.get::<_, Option<String>>(1).unwrap_or_default();
    Ok(Digest {
        rows: row.get(0),
        digest,
    })
}
