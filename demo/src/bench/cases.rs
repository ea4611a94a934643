//! What is measured. Every case gives a rate: more is better.

use std::sync::Arc;
use std::time::Instant;

use rand::Rng;

use super::clients::{self, Worker};
use super::{data, tpcb, BenchOptions, Side};
use crate::tpch::load::copy;
use crate::Error;

/// One kind of work.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    pub unit: &'static str,
    /// The ratio to plain PostgreSQL that Expanse promises, if it promises one.
    pub promise: Option<f64>,
    work: Work,
}

#[derive(Debug, Clone, Copy)]
enum Work {
    ReadAlone,
    Read(Where),
    Write(Where),
    TpcB,
    Copy,
    Aggregate(&'static str),
}

/// Which keys, seen from the node that is asked.
#[derive(Debug, Clone, Copy)]
enum Where {
    Local,
    Remote,
}

const fn case(name: &'static str, unit: &'static str, promise: Option<f64>, work: Work) -> Case {
    Case {
        name,
        unit,
        promise,
        work,
    }
}

pub const CASES: [Case; 9] = [
    case(
        "point read, plain table",
        "reads/s",
        Some(0.98),
        Work::ReadAlone,
    ),
    case(
        "point read, local",
        "reads/s",
        Some(0.9),
        Work::Read(Where::Local),
    ),
    case(
        "point read, remote",
        "reads/s",
        Some(0.45),
        Work::Read(Where::Remote),
    ),
    case(
        "point write, local",
        "writes/s",
        None,
        Work::Write(Where::Local),
    ),
    case(
        "point write, remote",
        "writes/s",
        None,
        Work::Write(Where::Remote),
    ),
    case("TPC-B-like", "transactions/s", None, Work::TpcB),
    case("COPY in", "rows/s", Some(0.8), Work::Copy),
    case(
        "aggregate, all rows",
        "rows/s",
        Some(1.0),
        Work::Aggregate(SUMS),
    ),
    case(
        "aggregate, 10 groups",
        "rows/s",
        Some(1.0),
        Work::Aggregate(GROUPS),
    ),
];

const READ: &str = "SELECT kind, amount, note FROM item WHERE k = $1";
const READ_ALONE: &str = "SELECT kind, amount, note FROM alone WHERE k = $1";
const WRITE: &str = "UPDATE item SET kind = kind + 1 WHERE k = $1";
const SUMS: &str = "SELECT count(*), sum(amount), avg(kind), min(k), max(k) FROM item";
const GROUPS: &str = "SELECT k % 10, count(*), sum(amount) FROM item GROUP BY 1";

/// Rows that one measurement of COPY takes in.
const COPIED: i64 = 100_000;
/// Times that an aggregate runs in one measurement.
const AGGREGATES: u32 = 3;

impl Case {
    /// Measures once.
    ///
    /// # Errors
    /// [`Error::Server`].
    pub async fn run(&self, side: &Side, options: &BenchOptions) -> Result<f64, Error> {
        match self.work {
            Work::ReadAlone => by_key(side, options, READ_ALONE, Where::Local).await,
            Work::Read(place) => by_key(side, options, READ, place).await,
            Work::Write(place) => by_key(side, options, WRITE, place).await,
            Work::TpcB => {
                let BenchOptions { clients, time, .. } = *options;
                let prepare = &tpcb::STATEMENTS;
                clients::rate(&side.servers, clients, time, prepare, tpcb::transaction).await
            }
            Work::Copy => copy_in(side).await,
            Work::Aggregate(statement) => aggregate(side, options, statement).await,
        }
    }
}

/// All clients ask the first node; the keys decide who owns the rows.
async fn by_key(
    side: &Side,
    options: &BenchOptions,
    statement: &str,
    place: Where,
) -> Result<f64, Error> {
    let keys: Arc<[i64]> = match place {
        Where::Local => side.keys.local.as_slice().into(),
        Where::Remote => side.keys.remote.as_slice().into(),
    };
    let one = move |mut worker: Worker| {
        let keys = Arc::clone(&keys);
        async move {
            let key = keys[worker.random.random_range(0..keys.len())];
            worker.client.query(&worker.statements[0], &[&key]).await?;
            Ok(worker)
        }
    };
    let BenchOptions { clients, time, .. } = *options;
    clients::rate(&side.servers[..1], clients, time, &[statement], one).await
}

async fn copy_in(side: &Side) -> Result<f64, Error> {
    let client = side.servers[0].connect("postgres").await?;
    client.batch_execute("TRUNCATE copied").await?;
    let begun = Instant::now();
    copy(&client, "copied", data::items(1, COPIED)).await?;
    Ok(COPIED as f64 / begun.elapsed().as_secs_f64())
}

async fn aggregate(side: &Side, options: &BenchOptions, statement: &str) -> Result<f64, Error> {
    let client = side.servers[0].connect("postgres").await?;
    let begun = Instant::now();
    for _ in 0..AGGREGATES {
        client.query(statement, &[]).await?;
    }
    Ok(options.rows as f64 * f64::from(AGGREGATES) / begun.elapsed().as_secs_f64())
}
