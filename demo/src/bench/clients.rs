//! Many clients at once, each repeating one piece of work until the time is over.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::SeedableRng;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio_postgres::{Client, Statement};

use crate::pg::Server;
use crate::Error;

/// How long each client works before the measurement: sessions between the nodes are opened, and plans settle.
const WARM_UP: Duration = Duration::from_millis(500);

/// One client: its session, its prepared statements, its own random numbers.
pub struct Worker {
    pub client: Client,
    pub statements: Vec<Statement>,
    pub random: StdRng,
}

/// Connects `clients` workers to the servers in turn, prepares, warms up, lets all begin together; how
/// often the work was done, a second, all together.
///
/// # Errors
/// [`Error::Server`] of whatever failed first.
pub async fn rate<W, F>(
    servers: &[Server],
    clients: usize,
    time: Duration,
    prepare: &[&str],
    work: W,
) -> Result<f64, Error>
where
    W: Fn(Worker) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Worker, Error>> + Send + 'static,
{
    let begin = Arc::new(Barrier::new(clients));
    let mut running = JoinSet::new();
    for number in 0..clients {
        let client = servers[number % servers.len()].connect("postgres").await?;
        let mut statements = Vec::new();
        for sql in prepare {
            statements.push(client.prepare(sql).await?);
        }
        let random = StdRng::seed_from_u64(number as u64);
        let worker = Worker {
            client,
            statements,
            random,
        };
        running.spawn(repeat(worker, Arc::clone(&begin), time, work.clone()));
    }
    let mut total = 0.0;
    while let Some(ended) = running.join_next().await {
        total += ended.unwrap_or_else(|error| Err(Error::Wrong(error.to_string())))?;
    }
    Ok(total)
}

async fn repeat<W, F>(
    mut worker: Worker,
    begin: Arc<Barrier>,
    time: Duration,
    work: W,
) -> Result<f64, Error>
where
    W: Fn(Worker) -> F,
    F: Future<Output = Result<Worker, Error>>,
{
    let warming = Instant::now();
    while warming.elapsed() < WARM_UP {
        worker = work(worker).await?;
    }
    begin.wait().await;
    let begun = Instant::now();
    let mut times: u32 = 0;
    while begun.elapsed() < time {
        worker = work(worker).await?;
        times += 1;
    }
    Ok(f64::from(times) / begun.elapsed().as_secs_f64())
}
