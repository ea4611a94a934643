//! A target is asked for twice what it can do.

use std::time::Duration;

use expanse_sidecar::config::ExecutorConfig;
use expanse_sidecar::postgres::NodeAddress;

use crate::load::Load;
use crate::{executor, in_time, Failure, Outcome};

const SOCKETS: usize = 8;

/// Rounds; the middle one counts, because the machine has other things to do.
const ROUNDS: usize = 3;

pub async fn run(node: &NodeAddress) -> Outcome {
    let (mut shares, mut figures) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (share, words) = round(node).await?;
        shares.push(share);
        figures.push(words);
    }
    shares.sort_by(f64::total_cmp);
    let figures = figures.join("; ");
    in_time(shares[ROUNDS / 2] >= 0.9, figures)
}

/// What is done as a share of the peak, and all figures.
async fn round(node: &NodeAddress) -> Outcome<(f64, String)> {
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
        .closed(&executor(&config), SOCKETS, Duration::from_secs(2))
        .await;
    let pool = executor(&config);
    let time = Duration::from_secs(4);
    let ends = load.open(&pool, 2.0 * peak, time).await;
    let good = ends.iter().filter(|end| end.ok).count();
    let asked = ends.len() as f64 / time.as_secs_f64();
    let goodput = good as f64 / time.as_secs_f64();
    let late = ends.iter().map(|end| end.late).max().unwrap_or_default();
    let retries: u64 = pool.report().iter().map(|class| class.retries).sum();
    let figures = format!(
        "peak {peak:.0}/s, asked {asked:.0}/s, done {goodput:.0}/s ({:.0} %), {retries} repetitions ({:.1} %), at most {} ms late",
        100.0 * goodput / peak,
        100.0 * retries as f64 / good.max(1) as f64,
        late.as_millis(),
    );
    let bounded = retries as f64 <= 0.1 * good as f64 && late < Duration::from_millis(100);
    if bounded && asked >= 1.8 * peak {
        Ok((goodput / peak, figures))
    } else {
        Err(Failure::Late(figures))
    }
}
