//! Samples once every few seconds, for all parts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use expanse_core::live::NodeLoad;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Pressure;
use crate::cluster::local_server;
use crate::config::Config;
use crate::executor::{Command, Executor, Weight};
use crate::membership::LocalNode;
use crate::postgres::NodeAddress;

const INTERVAL: Duration = Duration::from_secs(2);
/// A load that changes a little all the time is told to others no more often.
const TELL_INTERVAL: Duration = Duration::from_secs(5);
const ACTIVITY: Command = Command::new("count busy sessions", Weight::Background)
    .once()
    .limit(Duration::from_secs(1));

/// Shows the load in `shown` until `stop`.
pub async fn run(
    config: Arc<Config>,
    executor: Executor,
    local: watch::Receiver<Option<LocalNode>>,
    shown: watch::Sender<NodeLoad>,
    stop: CancellationToken,
) {
    let server = local_server(&config);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut told_at = Instant::now();
    let sample = async {
        loop {
            let ready = local.borrow().is_some();
            let activity = if ready {
                activity(&executor, &server).await
            } else {
                None
            };
            let pressure = Pressure::of_process(activity.map(|(_, pid)| pid));
            let busy = activity.map_or(0, |(busy, _)| busy);
            let load = NodeLoad {
                activity: share_of_activity(busy, processors),
                ..pressure.sample()
            };
            shown.send_if_modified(|current| {
                let tell = worth_telling(current, &load, told_at.elapsed());
                if tell {
                    *current = load.rounded();
                    told_at = Instant::now();
                }
                tell
            });
            executor.tidy();
            tokio::time::sleep(INTERVAL).await;
        }
    };
    stop.run_until_cancelled(sample).await;
}

/// Sessions at work on the local server, and a process of it if the server is on this machine.
async fn activity(executor: &Executor, server: &NodeAddress) -> Option<(i64, i32)> {
    const SQL: &str = "SELECT count(*) FILTER (WHERE state = 'active' AND pid <> pg_backend_pid()), pg_backend_pid() \
        FROM pg_stat_activity WHERE backend_type = 'client backend'";
    let rows = executor.query(server, ACTIVITY, SQL, &[]).await.ok()?;
    let row = rows.first()?;
    Some((row.try_get(0).ok()?, row.try_get(1).ok()?))
}

/// 0 up to one busy session a processor, 1 from five on.
fn share_of_activity(busy: i64, processors: usize) -> f64 {
    let each = busy.max(0) as f64 / processors.max(1) as f64;
    ((each - 1.0) / 4.0).clamp(0.0, 1.0)
}

fn worth_telling(told: &NodeLoad, now: &NodeLoad, since: Duration) -> bool {
    since >= TELL_INTERVAL && now.rounded() != *told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_session_a_processor_is_no_load() {
        assert_eq!(share_of_activity(2, 2), 0.0);
        assert_eq!(share_of_activity(6, 2), 0.5);
        assert_eq!(share_of_activity(1000, 2), 1.0);
        assert_eq!(share_of_activity(-1, 0), 0.0);
    }

    #[test]
    fn small_changes_are_not_told() {
        let told = NodeLoad::default();
        let little = NodeLoad { cpu: 0.04, ..told };
        let much = NodeLoad { cpu: 0.4, ..told };
        assert!(!worth_telling(&told, &little, TELL_INTERVAL));
        assert!(worth_telling(&told, &much, TELL_INTERVAL));
        assert!(!worth_telling(&told, &much, Duration::from_secs(1)));
    }
}
