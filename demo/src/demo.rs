//! The demo, from an empty directory to four nodes and a verdict.

mod outcome;

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use crate::cluster_box::ClusterBox;
use crate::growth::{self, Done, NamedMap};
use crate::pg::Server;
use crate::report::units;
use crate::tpch::load::{self, Dataset};
use crate::tpch::TABLES;
use crate::verify::{self, Compared};
use crate::workload::{Effect, Phase, Tally, Workload, WorkloadOptions};
use crate::Error;

/// What a run is made of.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    pub scale: f64,
    pub workload: WorkloadOptions,
    /// How long the workload runs before and after the growth.
    pub calm: Duration,
    /// How long an operation may take.
    pub patience: Duration,
    /// For the headline only.
    pub coordination: String,
}

/// All that is known at the end.
#[derive(Debug)]
pub struct Outcome {
    pub before: NamedMap,
    pub after: NamedMap,
    pub operations: Vec<Done>,
    pub tally: Tally,
    /// How long each phase took.
    pub phase_times: [Duration; 4],
    pub compared: Vec<Compared>,
}

/// Runs the demo on a box, telling the story on standard output as it goes.
///
/// # Errors
/// Whatever stopped it; [`Error::Wrong`] if all ran but something failed or differs.
pub async fn run(cluster: &ClusterBox, options: &DemoOptions) -> Result<(), Error> {
    println!("\nExpanse: a database that grows while it is in use\n");
    let mut story = Story::new();

    let servers = cluster.up().await?;
    let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
    story.tell(&format!(
        "nodes {}, coordination: {}",
        names.join(", "),
        options.coordination
    ));

    let data = prepare(&servers, options.scale).await?;
    story.tell(&format!(
        "TPC-H, scale factor {}: {} rows, {}",
        options.scale,
        units::count(data.rows as i64),
        units::bytes(data.bytes as i64)
    ));

    let (mut outcome, logs) = grow(cluster, &servers, data, options, &mut story).await?;
    let log_length: usize = logs.iter().map(Vec::len).sum();
    outcome.compared = compare(&servers[0], options.scale, &logs).await?;
    story.tell(&format!(
        "the same rows and {} transactions again on plain PostgreSQL, compared",
        units::count(log_length as i64)
    ));

    outcome.print();
    outcome.verdict()
}

/// The lines that appear while the demo runs, each with the time since the one before.
struct Story {
    last: Instant,
    number: u32,
}

impl Story {
    fn new() -> Self {
        Self {
            last: Instant::now(),
            number: 0,
        }
    }

    fn tell(&mut self, line: &str) {
        self.number += 1;
        let time = units::time(self.last.elapsed());
        println!("{:>3}. {line:<72} {time:>8}", self.number);
        self.last = Instant::now();
    }
}

/// Creates, places and fills the tables; each is copied in through another node.
async fn prepare(servers: &[Server], scale: f64) -> Result<Dataset, Error> {
    load::create(&servers[0].connect("postgres").await?, true).await?;
    let describing = tokio::task::spawn_blocking(move || Dataset::describe(scale));
    let copies = try_join_all(TABLES.iter().enumerate().map(|(i, table)| async move {
        let client = servers[i % servers.len()].connect("postgres").await?;
        load::load(&client, table.name, scale).await
    }))
    .await?;
    let mut data = describing
        .await
        .map_err(|error| Error::Wrong(error.to_string()))?;
    data.rows = copies.iter().map(|(rows, _)| rows).sum();
    data.bytes = copies.iter().map(|(_, bytes)| bytes).sum();
    Ok(data)
}

/// Everything that happens under load.
async fn grow(
    cluster: &ClusterBox,
    servers: &[Server],
    data: Dataset,
    options: &DemoOptions,
    story: &mut Story,
) -> Result<(Outcome, Vec<Vec<Effect>>), Error> {
    let first = &servers[0];
    let client = first.connect("postgres").await?;
    let balance: i64 = client
        .query_one("SELECT (sum(c_acctbal) * 100)::bigint FROM customer", &[])
        .await?
        .get(0);
    let before = growth::map_of(&client, "orders").await?;

    let workload = Workload::start(servers, data, balance, options.workload.clone()).await?;
    let mut clock = PhaseClock::new();
    tokio::time::sleep(options.calm).await;
    let WorkloadOptions {
        writers, readers, ..
    } = options.workload;
    story.tell(&format!(
        "{writers} writers and {readers} readers at work, and from now on"
    ));

    let new = cluster.add().await?;
    story.tell(&format!(
        "a further server: {} on port {}",
        new.name, new.port
    ));

    clock.enter(&workload, Phase::Expand);
    let statement = growth::expand_statement(&new);
    let mut operations = vec![growth::carry_out(first, &statement, options.patience).await?];
    story.tell(&format!("SELECT {statement}"));

    clock.enter(&workload, Phase::Rebind);
    operations.extend(rebind_all(first, options.patience, story).await?);

    clock.enter(&workload, Phase::After);
    tokio::time::sleep(options.calm).await;
    let (tally, logs) = workload.stop().await?;
    story.tell("writers and readers stopped");

    let after = growth::map_of(&client, "orders").await?;
    let phase_times = clock.stop();
    let compared = Vec::new();
    Ok((
        Outcome {
            before,
            after,
            operations,
            tally,
            phase_times,
            compared,
        },
        logs,
    ))
}

/// Rebinds every group that is behind, the orders first.
async fn rebind_all(
    server: &Server,
    patience: Duration,
    story: &mut Story,
) -> Result<Vec<Done>, Error> {
    let client = server.connect("postgres").await?;
    let mut groups = growth::groups_behind(&client).await?;
    groups.sort_by_key(|(_, tables)| !tables.split(", ").any(|table| table == "orders"));
    let mut operations = Vec::new();
    for (table, tables) in groups {
        let table = if tables.contains("orders") {
            "orders".into()
        } else {
            table
        };
        let statement = growth::rebind_statement(&table);
        operations.push(growth::carry_out(server, &statement, patience).await?);
        story.tell(&format!("SELECT {statement}, which moves {tables}"));
    }
    Ok(operations)
}

/// A database without the extension on one of the servers goes through the same.
async fn compare(
    server: &Server,
    scale: f64,
    logs: &[Vec<Effect>],
) -> Result<Vec<Compared>, Error> {
    let maintenance = server.connect("template1").await?;
    maintenance
        .batch_execute("CREATE DATABASE plain TEMPLATE template0")
        .await?;
    let plain = server.connect("plain").await?;
    verify::fill(&plain, scale).await?;
    verify::replay(&plain, logs).await?;
    let cluster = server.connect("postgres").await?;
    verify::compare(&cluster, &plain).await
}

/// Measures how long the phases take.
struct PhaseClock {
    current: Phase,
    since: Instant,
    times: [Duration; 4],
}

impl PhaseClock {
    fn new() -> Self {
        Self {
            current: Phase::Before,
            since: Instant::now(),
            times: [Duration::ZERO; 4],
        }
    }

    fn enter(&mut self, workload: &Workload, phase: Phase) {
        workload.enter(phase);
        self.times[self.current as usize] += self.since.elapsed();
        self.current = phase;
        self.since = Instant::now();
    }

    fn stop(mut self) -> [Duration; 4] {
        self.times[self.current as usize] += self.since.elapsed();
        self.times
    }
}
