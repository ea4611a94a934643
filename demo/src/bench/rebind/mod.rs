//! What growing costs: a table spread from two nodes over three while it is written to, and rebinds in a row.

mod figures;
mod writers;

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::data::items;
use crate::cluster_box::ClusterBox;
use crate::growth::{carry_out, expand_statement};
use crate::pg::Server;
use crate::tpch::load::copy;
use crate::Error;
pub use figures::{Expansion, RebindFigures};
use writers::Writers;

/// What the names of all its rows begin with, for `--only`.
pub const NAME: &str = "rebind";
/// A switch within this time is what Expanse promises, in milliseconds.
pub const BUDGET_MS: f64 = 500.0;
const WRITERS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(3600);
/// Before and after what is measured, so that writers are at work all the while.
const MARGIN: Duration = Duration::from_secs(1);

/// How large, how often.
#[derive(Debug, Clone)]
pub struct RebindOptions {
    /// Rows of the table that is spread from two nodes over three.
    pub rows: i64,
    /// Rebinds in a row, of a table of a twenty-fifth of the rows.
    pub rebinds: usize,
    /// Secondary indexes of the table, from 0 to 3.
    pub indexes: usize,
    /// `max_rate` of the expansion's rebind, such as `50MB`.
    pub max_rate: Option<String>,
}

/// Grows a cluster of two nodes by one and moves the table; then moves a smaller one back and forth.
///
/// # Errors
/// [`Error::Server`], [`Error::Program`]; failed statements of the writers are in the figures.
pub async fn run(cluster: &ClusterBox, options: &RebindOptions) -> Result<RebindFigures, Error> {
    let nodes = cluster.up().await?;
    let client = nodes[0].connect("postgres").await?;
    eprintln!("rebind: filling {} rows", options.rows);
    make(&client, "grown", options.rows, options.indexes).await?;
    // A group of its own: its column has another type.
    let small = (options.rows / 25).max(10_000);
    make_small(&client, small).await?;
    client.batch_execute("CHECKPOINT").await?;
    let expansion = expand(cluster, &nodes, options).await?;
    eprintln!("rebind: {} rebinds of {small} rows", options.rebinds);
    let mut figures = RebindFigures::new(options, expansion);
    let writers = Writers::start(&nodes, WRITERS, "turned", small, true).await?;
    tokio::time::sleep(MARGIN).await;
    for _ in 0..options.rebinds {
        let freezes = there_and_back(&nodes[0]).await?;
        figures.add_freezes(freezes);
    }
    figures.close(writers.stop().await);
    Ok(figures)
}

async fn make(client: &Client, table: &str, rows: i64, indexes: usize) -> Result<(), Error> {
    let create = format!(
        "CREATE TABLE {table} (k bigint PRIMARY KEY, kind int, amount numeric(12,2), note text); \
         SELECT cluster_distribute_table('{table}', 'k')"
    );
    client.batch_execute(&create).await?;
    for column in ["note", "amount", "kind"].iter().take(indexes) {
        let index = format!("CREATE INDEX {table}_{column} ON {table} ({column})");
        client.batch_execute(&index).await?;
    }
    copy(client, table, items(1, rows)).await?;
    Ok(client.batch_execute(&format!("ANALYZE {table}")).await?)
}

async fn make_small(client: &Client, rows: i64) -> Result<(), Error> {
    client
        .batch_execute(
            "CREATE TABLE turned (k int PRIMARY KEY, kind int, amount numeric(12,2), note text); \
             SELECT cluster_distribute_table('turned', 'k')",
        )
        .await?;
    copy(client, "turned", items(1, rows)).await?;
    Ok(client.batch_execute("ANALYZE turned").await?)
}

async fn expand(
    cluster: &ClusterBox,
    nodes: &[Server],
    options: &RebindOptions,
) -> Result<Expansion, Error> {
    let client = nodes[0].connect("postgres").await?;
    let new = cluster.add().await?;
    let writers = Writers::start(nodes, WRITERS, "grown", options.rows, false).await?;
    tokio::time::sleep(MARGIN).await;
    eprintln!("rebind: from two nodes to three");
    let begun = Instant::now();
    carry_out(&nodes[0], &expand_statement(&new), PATIENCE).await?;
    let planned = client
        .query_one(
            "SELECT sum(row_estimate)::int8, sum(byte_estimate)::int8 FROM cluster_plan_rebind('grown')",
            &[],
        )
        .await?;
    let rebinding = Instant::now();
    let rate = options.max_rate.as_ref();
    let rate = rate.map_or_else(String::new, |rate| format!(", max_rate => '{rate}'"));
    let rebind = format!("cluster_rebind('grown'{rate})");
    let rebound = carry_out(&nodes[0], &rebind, PATIENCE).await?;
    let (total, rebind) = (begun.elapsed(), rebinding.elapsed());
    tokio::time::sleep(MARGIN).await;
    let tally = writers.stop().await;
    // What has arrived, in the unit of the plan.
    let fragment = new.connect("postgres").await?;
    fragment
        .batch_execute("SET expanse.internal = on; ANALYZE grown")
        .await?;
    let arrived = fragment
        .query_one(
            "SELECT count(*)::int8, pg_table_size('grown')::int8 FROM grown",
            &[],
        )
        .await?;
    Ok(Expansion {
        rows: options.rows,
        total_s: total.as_secs_f64(),
        rebind_s: rebind.as_secs_f64(),
        rows_moved: arrived.get(0),
        rows_planned: planned.get(0),
        bytes_moved: arrived.get(1),
        bytes_planned: planned.get(1),
        rows_per_second: arrived.get::<_, i64>(0) as f64 / rebind.as_secs_f64(),
        freeze_ms: rebound.writes_waited.map_or(0.0, |t| t.as_secs_f64() * 1e3),
        statements: tally.statements,
        failed: tally.failed,
        longest_write_ms: tally.longest.as_secs_f64() * 1e3,
        first_failure: tally.first_failure,
    })
}

/// One rebind, reversed after its switch: the freezes of both, in milliseconds.
async fn there_and_back(server: &Server) -> Result<Vec<f64>, Error> {
    const STATE: &str = "SELECT phase, finished_at IS NOT NULL, ARRAY(SELECT (f ->> 'ms')::float8 \
        FROM jsonb_array_elements(freezes) f), concat_ws(', ', state, phase, error) \
        FROM cluster_operations WHERE operation_id = $1";
    let client = server.connect("postgres").await?;
    let rebind = "SELECT cluster_rebind('turned', reversible_for => '1 hour')";
    let operation: i64 = client.query_one(rebind, &[]).await?.get(0);
    let deadline = Instant::now() + PATIENCE;
    let (mut asked, mut said) = (false, String::new());
    while Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
        // The node hears of a new operation within a moment.
        let Some(row) = client.query_opt(STATE, &[&operation]).await? else {
            continue;
        };
        said = row.get(3);
        if row.get::<_, bool>(1) {
            return match asked {
                true => Ok(row.get(2)),
                false => Err(Error::Wrong(format!("a rebind ended: {said}"))),
            };
        }
        if row.get::<_, &str>(0) == "reversible" && !asked {
            asked = true;
            let reverse = format!("SELECT cluster_reverse({operation})");
            client.batch_execute(&reverse).await?;
        }
    }
    Err(Error::Timeout {
        what: format!("operation {operation} ({said})"),
        seconds: PATIENCE.as_secs(),
    })
}
