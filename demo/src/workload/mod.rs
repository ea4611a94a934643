//! Writers and readers that use the cluster all the while.
//!
//! Every writer owns the orders whose position in the data, modulo the number of writers, is its
//! own number, and the new orders it makes itself; so the outcome does not depend on how the
//! writers take turns, and what they did can be done again on a plain database. Customers are
//! shared by all of them; there only sums are moved, and sums do not mind the order.

pub mod effect;
pub mod reader;
pub mod session;
pub mod tally;
pub mod writer;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::pg::Server;
use crate::tpch::load::Dataset;
use crate::Error;
pub use effect::Effect;
pub use tally::{Phase, Tally};

/// How many clients, and how long they rest.
#[derive(Debug, Clone)]
pub struct WorkloadOptions {
    pub writers: usize,
    pub readers: usize,
    /// Rest of a writer after each transaction and of a point reader after each read.
    pub pause: Duration,
    pub seed: u64,
}

/// What the workers share: the data they work on, and what the run is doing.
pub struct Shared {
    pub data: Dataset,
    /// Sum of all customers' balances in cents, which no payment changes.
    pub balance_cents: i64,
    pub options: WorkloadOptions,
    phase: AtomicUsize,
    stop: AtomicBool,
}

impl Shared {
    pub fn phase(&self) -> Phase {
        Phase::ALL[self.phase.load(Ordering::Relaxed)]
    }

    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// The running workers. Dropping it ends them at once.
pub struct Workload {
    shared: Arc<Shared>,
    writers: JoinSet<Result<(Tally, Vec<Effect>), Error>>,
    readers: JoinSet<Result<Tally, Error>>,
}

impl Workload {
    /// Connects all workers, to the nodes in turn, and sets them going.
    ///
    /// # Errors
    /// [`Error::Server`] if one cannot connect or prepare its statements.
    pub async fn start(
        servers: &[Server],
        data: Dataset,
        balance_cents: i64,
        options: WorkloadOptions,
    ) -> Result<Self, Error> {
        let (phase, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let shared = Arc::new(Shared {
            data,
            balance_cents,
            options,
            phase,
            stop,
        });
        let mut workload = Self {
            shared: Arc::clone(&shared),
            writers: JoinSet::new(),
            readers: JoinSet::new(),
        };
        for number in 0..shared.options.writers {
            let client = servers[number % servers.len()].connect("postgres").await?;
            workload
                .writers
                .spawn(writer::run(number, client, Arc::clone(&shared)));
        }
        for number in 0..shared.options.readers {
            let server = &servers[(shared.options.writers + number) % servers.len()];
            let client = server.connect("postgres").await?;
            workload
                .readers
                .spawn(reader::run(number, client, Arc::clone(&shared)));
        }
        Ok(workload)
    }

    /// From now on statements are counted under `phase`.
    pub fn enter(&self, phase: Phase) {
        self.shared.phase.store(phase as usize, Ordering::Relaxed);
    }

    /// Lets every worker finish what it is doing; what they counted, and each writer's log.
    ///
    /// # Errors
    /// That of a worker that broke off.
    pub async fn stop(mut self) -> Result<(Tally, Vec<Vec<Effect>>), Error> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut total = Tally::default();
        let mut logs = Vec::new();
        while let Some(ended) = self.writers.join_next().await {
            let (tally, log) = ended.unwrap_or_else(|e| Err(Error::Wrong(e.to_string())))?;
            total.add(tally);
            logs.push(log);
        }
        while let Some(ended) = self.readers.join_next().await {
            total.add(ended.unwrap_or_else(|e| Err(Error::Wrong(e.to_string())))?);
        }
        Ok((total, logs))
    }
}
