//! Clients that change one row after the other, and how long each statement took.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::pg::Server;
use crate::Error;

/// What all writers have done.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub statements: u64,
    pub failed: u64,
    pub first_failure: Option<String>,
    pub longest: Duration,
}

/// Writers at work until [`Writers::stop`].
pub struct Writers {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Tally>,
}

impl Writers {
    /// Starts `count` of them on the servers in turn; every other one with prepared statements. `narrow`: the key is
    /// an integer of 4 bytes.
    ///
    /// # Errors
    /// [`Error::Server`] while connecting.
    pub async fn start(
        servers: &[Server],
        count: usize,
        table: &'static str,
        rows: i64,
        narrow: bool,
    ) -> Result<Self, Error> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let client = servers[number % servers.len()].connect("postgres").await?;
            let stop = Arc::clone(&stop);
            let prepared = number.is_multiple_of(2);
            let random = StdRng::seed_from_u64(number as u64);
            tasks.spawn(write(client, stop, table, rows, random, prepared, narrow));
        }
        Ok(Self { stop, tasks })
    }

    /// What they have done, once all have ended.
    pub async fn stop(mut self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        while let Some(ended) = self.tasks.join_next().await {
            let one = ended.unwrap_or_else(|error| Tally {
                failed: 1,
                first_failure: Some(error.to_string()),
                ..Tally::default()
            });
            all.statements += one.statements;
            all.failed += one.failed;
            all.longest = all.longest.max(one.longest);
            all.first_failure = all.first_failure.or(one.first_failure);
        }
        all
    }
}

async fn write(
    client: Client,
    stop: Arc<AtomicBool>,
    table: &'static str,
    rows: i64,
    mut random: StdRng,
    prepared: bool,
    narrow: bool,
) -> Tally {
    let key = if narrow { "int" } else { "bigint" };
    let prepare =
        format!("PREPARE change ({key}) AS UPDATE {table} SET kind = kind + 1 WHERE k = $1");
    let mut tally = Tally::default();
    if prepared {
        note(&mut tally, client.batch_execute(&prepare).await);
    }
    while !stop.load(Ordering::Relaxed) && !client.is_closed() {
        let k = random.random_range(1..=rows);
        let statement = match prepared {
            true => format!("EXECUTE change ({k})"),
            false => format!("UPDATE {table} SET kind = kind + 1 WHERE k = {k}"),
        };
        let begun = Instant::now();
        let outcome = client.batch_execute(&statement).await;
        tally.longest = tally.longest.max(begun.elapsed());
        tally.statements += 1;
        note(&mut tally, outcome);
    }
    tally
}

fn note(tally: &mut Tally, outcome: Result<(), tokio_postgres::Error>) {
    if let Err(error) = outcome {
        tally.failed += 1;
        let text = Error::from(error).to_string();
        tally.first_failure.get_or_insert(text);
    }
}
