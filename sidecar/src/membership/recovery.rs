//! Finishing what crashed coordinators left: each node finishes what it coordinated itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::local::local_server;
use super::LocalNode;
use crate::config::Config;
use crate::executor::{Command, Executor, Weight};

const RECOVER: Command = Command::new("recover transactions", Weight::Critical)
    .in_cluster()
    .limit(Duration::from_secs(30));
const INTERVAL: Duration = Duration::from_secs(1);

pub async fn run(
    config: Arc<Config>,
    executor: Executor,
    local: watch::Receiver<Option<LocalNode>>,
    stop: CancellationToken,
) {
    let server = local_server(&config);
    let mut failing = false;
    loop {
        if local.borrow().is_some() {
            let outcome = executor
                .value::<i32>(
                    &server,
                    RECOVER,
                    "SELECT expanse.recover_transactions()",
                    &[],
                )
                .await;
            match outcome {
                Ok(0) => failing = false,
                Ok(finished) => {
                    failing = false;
                    tracing::info!(finished, "finished prepared transactions");
                }
                Err(error) => {
                    if !failing {
                        tracing::info!(%error, "could not recover transactions");
                    }
                    failing = true;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(INTERVAL) => {}
        }
    }
}
