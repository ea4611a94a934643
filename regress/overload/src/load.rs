//! Commands at a rate, and what became of them.

use std::sync::Arc;
use std::time::Duration;

use expanse_sidecar::executor::{Command, Executor, Weight};
use expanse_sidecar::postgres::NodeAddress;
use tokio::sync::Mutex;
use tokio::time::{interval, sleep, Instant, MissedTickBehavior};

/// One command's end.
#[derive(Debug, Clone, Copy)]
pub struct End {
    pub ok: bool,
    pub took: Duration,
    /// How long after its deadline it ended.
    pub late: Duration,
}

/// A command that takes `takes` on the server.
#[derive(Debug, Clone)]
pub struct Load {
    pub node: NodeAddress,
    pub takes: Duration,
    /// For each command, from its beginning.
    pub deadline: Duration,
}

impl Load {
    pub async fn once(&self, executor: &Executor) -> End {
        let began = Instant::now();
        let deadline = began + self.deadline;
        let command = Command::new("stress", Weight::Maintenance)
            .safe()
            .until(deadline);
        let sql = format!("SELECT pg_sleep({})", self.takes.as_secs_f64());
        let ok = executor.query(&self.node, command, &sql, &[]).await.is_ok();
        End {
            ok,
            took: began.elapsed(),
            late: Instant::now().saturating_duration_since(deadline),
        }
    }

    /// One after the other by `clients` clients for `time`; successes a second.
    pub async fn closed(&self, executor: &Executor, clients: usize, time: Duration) -> f64 {
        let end = Instant::now() + time;
        let mut tasks = Vec::new();
        for _ in 0..clients {
            let (load, executor) = (self.clone(), executor.clone());
            tasks.push(tokio::spawn(async move {
                let mut done = 0u32;
                while Instant::now() < end {
                    done += u32::from(load.once(&executor).await.ok);
                }
                done
            }));
        }
        let mut done = 0;
        for task in tasks {
            done += task.await.expect("a client does not panic");
        }
        f64::from(done) / time.as_secs_f64()
    }

    /// `rate` commands a second for `time`, whether the earlier ones have ended or not.
    pub async fn open(&self, executor: &Executor, rate: f64, time: Duration) -> Vec<End> {
        let ends = Arc::new(Mutex::new(Vec::new()));
        let mut tick = interval(Duration::from_secs_f64(1.0 / rate));
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let stop = Instant::now() + time;
        while Instant::now() < stop {
            tick.tick().await;
            let (load, executor, ends) = (self.clone(), executor.clone(), ends.clone());
            tokio::spawn(async move {
                let end = load.once(&executor).await;
                ends.lock().await.push(end);
            });
        }
        // All have ended by their deadline, or are counted as missing below.
        sleep(self.deadline + Duration::from_millis(500)).await;
        let ends = ends.lock().await.clone();
        ends
    }
}

/// The value that `share` of all are no greater than.
pub fn quantile(mut values: Vec<Duration>, share: f64) -> Duration {
    values.sort();
    let at = (values.len() as f64 * share).ceil() as usize;
    values
        .get(at.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}
