//! `nodes`, `maps`, `tables`, `storage list`, `operations`, `blocked`, `executor`: the cluster views.

use tokio_postgres::Client;

use super::{table, CliError, Target};

/// A verb that shows a query.
pub struct View {
    pub query: &'static str,
}

pub const NODES: View = View {
    query: "SELECT node_name, host, port, state, role, weight, buckets FROM cluster_nodes ORDER BY node_name",
};

pub const MAPS: View = View {
    query: "SELECT m.hash_map_version AS version, m.current, m.nodes, m.tables, r.node_name, \
            sum(r.last_bucket - r.first_bucket + 1) AS buckets, count(*) AS ranges \
            FROM cluster_hash_maps m JOIN cluster_hash_map_ranges r USING (hash_map_version) \
            GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 5",
};

pub const TABLES: View = View {
    query: "SELECT t.relation::text AS relation, t.kind, t.distribution_column, t.hash_map_version AS version, \
            t.colocation_group AS \"group\", f.rows, pg_size_pretty(f.bytes) AS size \
            FROM cluster_tables t LEFT JOIN (SELECT relation, sum(row_estimate)::bigint AS rows, \
            sum(bytes) AS bytes FROM cluster_fragments GROUP BY relation) f USING (relation) ORDER BY 1",
};

pub const STORAGES: View = View {
    query: "SELECT storage_name AS storage, directory, tables, pg_size_pretty(bytes) AS size, \
            pg_size_pretty(free_bytes) AS free, nodes, array_to_string(missing_on, ', ') AS missing_on \
            FROM cluster_storage ORDER BY 1",
};

pub const OPERATIONS: View = View {
    query:
        "SELECT operation_id AS id, kind, target, state, phase, rows_done, rows_total, \
            date_trunc('second', started_at) AS started, \
            date_trunc('second', finished_at) AS finished, error FROM cluster_operations ORDER BY 1",
};

pub const BLOCKED: View = View {
    query:
        "SELECT node_name AS node, what, why, date_trunc('second', since) AS since, hint, weight \
            FROM cluster_blocked ORDER BY since, 1, 2",
};

pub const EXECUTOR: View = View {
    query: "SELECT node_name AS node, address, class, socket_limit AS \"limit\", in_use, waiting, tries, retries, \
            timeouts, failures, breaker, load_factor AS load, reason \
            FROM cluster_executor ORDER BY node_name, address",
};

/// Shows a view.
///
/// # Errors
/// [`CliError::Connect`], [`CliError::Sql`].
pub async fn run(target: &Target, json: bool, view: &View) -> Result<(), CliError> {
    show(&target.connect().await?, json, view).await
}

/// Shows a view over a connection.
///
/// # Errors
/// [`CliError::Sql`].
pub async fn show(client: &Client, json: bool, view: &View) -> Result<(), CliError> {
    if json {
        println!(
            "{}",
            serde_json::to_string_pretty(&as_json(client, view).await?).unwrap_or_default()
        );
        return Ok(());
    }
    let statement = client.prepare(view.query).await?;
    let headings: Vec<String> = statement
        .columns()
        .iter()
        .map(|c| c.name().to_owned())
        .collect();
    let columns: Vec<String> = (1..=headings.len()).map(|i| format!("c{i}")).collect();
    let names = columns.join(", ");
    let texts: Vec<String> = columns.iter().map(|c| format!("{c}::text")).collect();
    let query = format!(
        "SELECT {} FROM ({}) AS v ({names})",
        texts.join(", "),
        view.query
    );
    let rows: Vec<Vec<Option<String>>> = client
        .query(&query, &[])
        .await?
        .iter()
        .map(|row| (0..row.len()).map(|i| row.get(i)).collect())
        .collect();
    table::print(&headings, &rows);
    Ok(())
}

/// The rows as JSON.
///
/// # Errors
/// [`CliError::Sql`].
pub async fn as_json(client: &Client, view: &View) -> Result<serde_json::Value, CliError> {
    let query = format!(
        "SELECT coalesce(jsonb_agg(to_jsonb(v)), '[]') FROM ({}) v",
        view.query
    );
    Ok(client.query_one(&query, &[]).await?.get(0))
}
