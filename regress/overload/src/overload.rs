//! A target is asked for twice what it can do.

use std::time::Duration;

use expanse_sidecar::config::ExecutorConfig;
use expanse_sidecar::postgres::NodeAddress;

use crate::load::Load;
use crate::{executor, Outcome};

const SOCKETS: usize = 8;

pub async fn run(node: &NodeAddress) -> Outcome {
    let config = ExecutorConfig {
        maintenance_sockets: SOCKETS,
        ..ExecutorConfig::default()
    };
    let load = Load {
        node: node.clone(),
        takes: Duration::from_millis(20),
        deadline: Duration::from_millis(400),
    };
    let peak = load
        .closed(&executor(&config), SOCKETS, Duration::from_secs(3))
        .await;
    let pool = executor(&config);
    let time = Duration::from_secs(6);
    let ends = load.open(&pool, 2.0 * peak, time).await;
    let good = ends.iter().filter(|end| end.ok).count();
    let goodput = good as f64 / time.as_secs_f64();
    let late = ends.iter().map(|end| end.late).max().unwrap_or_default();
    let counts = pool.report();
    let retries: u64 = counts.iter().map(|class| class.retries).sum();
    let figures = format!(
        "peak {peak:.0}/s, asked {:.0}/s, done {goodput:.0}/s ({:.0} %), {retries} repetitions ({:.1} %), at most {} ms late",
        ends.len() as f64 / time.as_secs_f64(),
        100.0 * goodput / peak,
        100.0 * retries as f64 / good.max(1) as f64,
        late.as_millis(),
    );
    let asked_enough = ends.len() as f64 >= 1.8 * peak * time.as_secs_f64();
    let well = asked_enough
        && goodput >= 0.9 * peak
        && retries as f64 <= 0.1 * good as f64
        && late < Duration::from_millis(100);
    if well {
        Ok(figures)
    } else {
        Err(figures)
    }
}
