//! TPC-H's 22 queries on a cluster of three nodes and on one plain PostgreSQL: are the answers
//! equal, and how long do they take?

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::cluster_box::ClusterBox;
use crate::plain::{settings_of, Plain};
use crate::report::{units, TextTable};
use crate::tpch::{load, queries, TABLES};
use crate::Error;

#[derive(Debug, Clone)]
pub struct QueriesOptions {
    pub pg_config: PathBuf,
    pub scale: f64,
    /// Times that each query runs on each side; the fastest counts.
    pub times: usize,
    /// A query that takes longer is given up.
    pub limit: Duration,
    /// Which queries, 1 to 22.
    pub numbers: Vec<usize>,
}

/// All rows as text, in one order.
type Answer = Vec<Vec<Option<String>>>;

/// One query on both sides: what it answered, and the time of the fastest run.
struct Compared {
    number: usize,
    plain: Result<(Answer, Duration), Error>,
    cluster: Result<(Answer, Duration), Error>,
}

impl Compared {
    fn equal(&self) -> bool {
        matches!((&self.plain, &self.cluster), (Ok((a, _)), Ok((b, _))) if a == b)
    }
}

/// Starts both, fills them, runs the queries, prints a table.
///
/// # Errors
/// Whatever stopped it; [`Error::Wrong`] if an answer differs or a query fails.
pub async fn run(
    cluster: &ClusterBox,
    plain: &mut Plain,
    options: &QueriesOptions,
) -> Result<(), Error> {
    let nodes = cluster.up().await?;
    let cluster = nodes[0].connect("postgres").await?;
    let settings = settings_of(&cluster).await?;
    let plain = plain
        .up(&options.pg_config, &settings)
        .await?
        .connect("postgres")
        .await?;
    fill(&cluster, true, options).await?;
    fill(&plain, false, options).await?;
    let mut all = Vec::new();
    for &number in &options.numbers {
        let statement = queries::statement(number);
        let plain = fastest(&plain, &statement, options.times).await;
        let cluster = fastest(&cluster, &statement, options.times).await;
        all.push(Compared {
            number,
            plain,
            cluster,
        });
    }
    print(&all, options);
    verdict(&all)
}

async fn fill(client: &Client, placed: bool, options: &QueriesOptions) -> Result<(), Error> {
    load::create(client, placed).await?;
    for table in &TABLES {
        load::load(client, table.name, options.scale).await?;
    }
    client
        .batch_execute(&format!(
            "CREATE INDEX ON lineitem (l_partkey, l_suppkey); CREATE INDEX ON orders (o_custkey); \
             ANALYZE; SET statement_timeout = {}",
            options.limit.as_millis()
        ))
        .await?;
    Ok(())
}

async fn fastest(
    client: &Client,
    statement: &str,
    times: usize,
) -> Result<(Answer, Duration), Error> {
    let mut best: Option<(Answer, Duration)> = None;
    for _ in 0..times.max(1) {
        let begun = Instant::now();
        let messages = client.simple_query(statement).await?;
        let time = begun.elapsed();
        if best.as_ref().is_none_or(|(_, fastest)| time < *fastest) {
            best = Some((answer(messages), time));
        }
    }
    Ok(best.expect("it ran at least once"))
}

fn answer(messages: Vec<SimpleQueryMessage>) -> Answer {
    let mut rows: Answer = messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|i| row.get(i).map(str::to_owned))
                    .collect(),
            ),
            _ => None,
        })
        .collect();
    rows.sort_unstable();
    rows
}

fn print(all: &[Compared], options: &QueriesOptions) {
    let mut table = TextTable::new(
        &[
            "query",
            "equal",
            "rows",
            "plain PostgreSQL",
            "3 nodes",
            "ratio",
        ],
        2,
    );
    let time = |side: &Result<(Answer, Duration), Error>| {
        side.as_ref()
            .map_or_else(|_| "failed".into(), |(_, time)| units::time(*time))
    };
    let mut logs = Vec::new();
    for compared in all {
        let (mut rows, mut ratio) = ("-".to_owned(), "-".to_owned());
        if let (Ok((answer, plain)), Ok((_, cluster))) = (&compared.plain, &compared.cluster) {
            let factor = cluster.as_secs_f64() / plain.as_secs_f64();
            logs.push(factor.ln());
            rows = units::count(answer.len() as i64);
            ratio = format!("{factor:.2}x");
        }
        table.row(vec![
            compared.number.to_string(),
            if compared.equal() {
                "yes".into()
            } else {
                "NO".into()
            },
            rows,
            time(&compared.plain),
            time(&compared.cluster),
            ratio,
        ]);
    }
    println!(
        "\nTPC-H at scale factor {}: time of each query\n",
        options.scale
    );
    print!("{}", table.to_text());
    let mean = (logs.iter().sum::<f64>() / logs.len().max(1) as f64).exp();
    println!("\n  {mean:.2}x the time of plain PostgreSQL (geometric mean)");
}

fn verdict(all: &[Compared]) -> Result<(), Error> {
    let wrong: Vec<String> = all
        .iter()
        .filter(|compared| !compared.equal())
        .map(|compared| match (&compared.plain, &compared.cluster) {
            (_, Err(error)) | (Err(error), _) => format!("query {}: {error}", compared.number),
            _ => format!("query {}: the answers differ", compared.number),
        })
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::Wrong(wrong.join("\n  ")))
}
