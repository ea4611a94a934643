//! One server stops without a word.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use expanse_sidecar::config::ExecutorConfig;
use expanse_sidecar::executor::Executor;
use expanse_sidecar::postgres::NodeAddress;
use tokio::time::{sleep, Instant};

use crate::load::{quantile, End, Load};
use crate::{executor, in_time, Failure, Outcome};

const WINDOW: Duration = Duration::from_secs(4);
const RATE: f64 = 40.0;
const LATE: Duration = Duration::from_millis(150);
/// The longest wait of the breaker, and a try.
const RECOVERY: Duration = Duration::from_secs(12);

/// A server and all its processes, stopped until this is dropped.
struct Stopped(Vec<String>);

impl Stopped {
    fn stop(data: &Path) -> Result<Self, String> {
        let file = fs::read_to_string(data.join("postmaster.pid")).map_err(|e| e.to_string())?;
        let postmaster = file.lines().next().unwrap_or_default().trim().to_owned();
        // The parent first, so that no child comes after them.
        signal("-STOP", std::slice::from_ref(&postmaster))?;
        let mut stopped = Self(vec![postmaster.clone()]);
        stopped.0.extend(children(&postmaster));
        signal("-STOP", &stopped.0)?;
        Ok(stopped)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // Children may have ended meanwhile; the others go on all the same.
        for pid in self.0.iter().rev() {
            let _ = signal("-CONT", std::slice::from_ref(pid));
        }
    }
}

fn children(parent: &str) -> Vec<String> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

fn signal(kind: &str, pids: &[String]) -> Result<(), String> {
    let status = Command::new("kill").arg(kind).args(pids).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("kill {kind}: {other:?}")),
    }
}

pub async fn run(nodes: &[NodeAddress; 3], dir: &Path, rounds: usize) -> Outcome {
    let pool = executor(&ExecutorConfig::default());
    let data = dir.join("n3/data");
    let (mut ratios, mut figures) = (Vec::new(), Vec::new());
    // Where the median is not good enough the machine may have been busy with something else: it is asked again, a
    // limited number of times. What is always slower stays so.
    while ratios.len() < rounds || (median(&ratios) > 1.1 && ratios.len() < 3 * rounds) {
        let (before, _) = window(&pool, nodes).await;
        let stopped = Stopped::stop(&data)?;
        let (during, third) = window(&pool, nodes).await;
        if third.iter().any(|end| end.ok) {
            return Err("the stopped server answered".into());
        }
        let all = || before.iter().chain(&during).chain(&third);
        let late = all().map(|end| end.late).max().unwrap_or_default();
        if late > LATE {
            let why = format!("a command ended {} ms after its deadline", late.as_millis());
            return Err(Failure::Late(why));
        }
        if let Some(lost) = expected(&before).or(expected(&during)) {
            return Err(Failure::Late(lost));
        }
        drop(stopped);
        let recovered = recovery(&pool, &nodes[2]).await?;
        let p99 = |ends: &[End]| quantile(ends.iter().map(|end| end.took).collect(), 0.99);
        let (p99_before, p99_during) = (p99(&before), p99(&during));
        ratios.push(p99_during.as_secs_f64() / p99_before.as_secs_f64());
        figures.push(format!(
            "p99 {} -> {} ms, at most {} ms late, back after {} ms",
            p99_before.as_millis(),
            p99_during.as_millis(),
            late.as_millis(),
            recovered.as_millis()
        ));
    }
    let figures = figures.join("; ");
    in_time(median(&ratios) <= 1.1, figures)
}

fn median(ratios: &[f64]) -> f64 {
    let mut sorted = ratios.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::MAX)
}

/// Commands to all three nodes at once: what became of those to the first two, and to the third.
async fn window(pool: &Executor, nodes: &[NodeAddress; 3]) -> (Vec<End>, Vec<End>) {
    let load = |node: &NodeAddress| Load {
        node: node.clone(),
        takes: Duration::from_millis(100),
        deadline: Duration::from_secs(1),
    };
    let [a, b, c] = [load(&nodes[0]), load(&nodes[1]), load(&nodes[2])];
    let (mut first, second, third) = tokio::join!(
        a.open(pool, RATE, WINDOW),
        b.open(pool, RATE, WINDOW),
        c.open(pool, RATE, WINDOW)
    );
    first.extend(second);
    (first, third)
}

/// Why commands to the healthy nodes were not all done, if they were not.
fn expected(ends: &[End]) -> Option<String> {
    let asked = (2.0 * RATE * WINDOW.as_secs_f64()) as usize;
    let good = ends.iter().filter(|end| end.ok).count();
    (good < asked * 95 / 100).then(|| format!("{good} of {asked} commands to healthy nodes"))
}

/// How long it takes until commands to the node succeed again, one after the other.
async fn recovery(pool: &Executor, node: &NodeAddress) -> Outcome<Duration> {
    let load = Load {
        node: node.clone(),
        takes: Duration::ZERO,
        deadline: Duration::from_secs(1),
    };
    let began = Instant::now();
    while !load.once(pool).await.ok {
        if began.elapsed() > RECOVERY {
            let why = format!("no recovery within {} s", RECOVERY.as_secs());
            return Err(Failure::Late(why));
        }
        sleep(Duration::from_millis(50)).await;
    }
    let took = began.elapsed();
    for _ in 0..20 {
        if !load.once(pool).await.ok {
            return Err(Failure::Late("a command failed after the recovery".into()));
        }
    }
    Ok(took)
}
