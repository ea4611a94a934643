//! Growing the cluster, by the SQL that a DBA would type, and what its views say about it.

use std::time::{Duration, Instant};

use expanse_core::{HashMap, Range};
use tokio_postgres::Client;

use crate::pg::Server;
use crate::Error;

/// An operation that has ended well.
#[derive(Debug, Clone)]
pub struct Done {
    /// What was typed.
    pub statement: String,
    /// From the call to the return of `cluster_wait`.
    pub time: Duration,
    pub rows: i64,
    pub bytes: i64,
    /// Longest time that the operation itself made writes wait, if it says so.
    pub writes_waited: Option<Duration>,
}

/// A hash map with the names of its nodes; the ids are ours, in the order of the names.
#[derive(Debug, Clone)]
pub struct NamedMap {
    pub map: HashMap,
    pub names: Vec<(i32, String)>,
}

impl NamedMap {
    /// Number of buckets of a node, by name.
    pub fn buckets(&self, name: &str) -> u32 {
        let id = self
            .names
            .iter()
            .find(|(_, known)| known == name)
            .map(|(id, _)| *id);
        id.and_then(|id| self.map.bucket_counts().get(&id).copied())
            .unwrap_or(0)
    }
}

/// The hash map a table is bound to.
///
/// # Errors
/// [`Error::Server`]; [`Error::Wrong`] if the view shows no complete map.
pub async fn map_of(client: &Client, table: &str) -> Result<NamedMap, Error> {
    let rows = client
        .query(
            "SELECT r.hash_map_version::bigint, r.node_name::text, r.first_bucket::bigint, \
                    r.last_bucket::bigint \
             FROM cluster_hash_map_ranges r JOIN cluster_tables t USING (hash_map_version) \
             WHERE t.relation = $1::text::regclass ORDER BY r.first_bucket",
            &[&table],
        )
        .await?;
    let mut names: Vec<String> = rows.iter().map(|row| row.get(1)).collect();
    names.sort_unstable();
    names.dedup();
    let names: Vec<(i32, String)> = (1..).zip(names).collect();
    let mut version = 0;
    let mut ranges = Vec::new();
    for row in &rows {
        let (name, first, last): (String, i64, i64) = (row.get(1), row.get(2), row.get(3));
        let bucket = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        let node = names
            .iter()
            .find(|(_, known)| *known == name)
            .map_or(0, |(id, _)| *id);
        version = i32::try_from(row.get::<_, i64>(0)).unwrap_or(0);
        ranges.push(Range {
            first: bucket(first),
            last: bucket(last),
            node,
        });
    }
    let map = HashMap::from_ranges(version, ranges)
        .map_err(|error| Error::Wrong(format!("hash map of \"{table}\": {error}")))?;
    Ok(NamedMap { map, names })
}

/// One table of every group that is not bound to the current hash map, with all its tables.
///
/// # Errors
/// [`Error::Server`].
pub async fn groups_behind(client: &Client) -> Result<Vec<(String, String)>, Error> {
    let rows = client
        .query(
            "SELECT min(t.relation::text), string_agg(t.relation::text, ', ' ORDER BY t.relation::text) \
             FROM cluster_tables t WHERE t.kind = 'distributed' \
             AND t.hash_map_version <> (SELECT hash_map_version FROM cluster_hash_maps WHERE current) \
             GROUP BY t.colocation_group ORDER BY 1",
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

pub fn expand_statement(new: &Server) -> String {
    format!(
        "cluster_expand('{}', '{}', {})",
        new.name, new.host, new.port
    )
}

pub fn rebind_statement(table: &str) -> String {
    format!("cluster_rebind('{table}')")
}

/// Starts an operation and waits for its end.
///
/// # Errors
/// [`Error::Server`] with what the operation says, [`Error::Timeout`] after `patience`.
pub async fn carry_out(
    server: &Server,
    statement: &str,
    patience: Duration,
) -> Result<Done, Error> {
    let client = server.connect("postgres").await?;
    let begun = Instant::now();
    let started = client
        .query_one(&format!("SELECT {statement}::bigint"), &[])
        .await?;
    let operation: i64 = started.get(0);
    let wait = format!("SELECT cluster_wait({operation})");
    match tokio::time::timeout(patience, client.batch_execute(&wait)).await {
        Ok(answer) => answer?,
        Err(_) => {
            let what = format!("{statement} ({})", state(server, operation).await?);
            return Err(Error::Timeout {
                what,
                seconds: patience.as_secs(),
            });
        }
    }
    let time = begun.elapsed();
    let row = client
        .query_one(
            "SELECT coalesce(rows_done, 0)::bigint, coalesce(bytes_done, 0)::bigint, \
                    (to_jsonb(o) ->> 'writes_waited_ms')::float8 \
             FROM cluster_operations o WHERE operation_id = $1",
            &[&operation],
        )
        .await?;
    let waited: Option<f64> = row.get(2);
    Ok(Done {
        statement: statement.to_owned(),
        time,
        rows: row.get(0),
        bytes: row.get(1),
        writes_waited: waited.map(|ms| Duration::from_secs_f64(ms.max(0.0) / 1_000.0)),
    })
}

/// Where an operation stands, for a reader who has to find out why it did not end.
async fn state(server: &Server, operation: i64) -> Result<String, Error> {
    let client = server.connect("postgres").await?;
    let row = client
        .query_opt(
            "SELECT concat_ws(', ', state, phase, rows_done || ' of ' || rows_total || ' rows', error) \
             FROM cluster_operations WHERE operation_id = $1",
            &[&operation],
        )
        .await?;
    Ok(row.map_or_else(|| "no such operation".into(), |row| row.get(0)))
}
