//! Finishing what crashed coordinators left: each node finishes what it coordinated itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::LocalNode;
use crate::cluster::local_server;
use crate::config::Config;
use crate::executor::{Command, Executor, Weight};
use crate::postgres::{NodeAddress, Result};

const RECOVER: Command = Command::new("recover transactions", Weight::Critical)
    .in_cluster()
    .once()
    .limit(Duration::from_secs(10));
/// So many failures in a row are no critical alarm: a server that is started again is there by then.
const PATIENCE: u32 = 3;
const INTERVAL: Duration = Duration::from_secs(1);

pub async fn run(
    config: Arc<Config>,
    executor: Executor,
    local: watch::Receiver<Option<LocalNode>>,
    stop: CancellationToken,
) {
    let server = local_server(&config);
    let mut failures = 0;
    loop {
        if local.borrow().is_some() {
            let command = if failures < PATIENCE {
                RECOVER.alarm(Weight::Maintenance)
            } else {
                RECOVER
            };
            match recover(&executor, &server, command).await {
                Ok(0) => failures = 0,
                Ok(finished) => {
                    failures = 0;
                    tracing::info!(finished, "finished prepared transactions");
                }
                Err(error) => {
                    if failures == 0 {
                        tracing::info!(%error, "could not recover transactions");
                    }
                    failures += 1;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(INTERVAL) => {}
        }
    }
}

async fn recover(executor: &Executor, server: &NodeAddress, command: Command) -> Result<i32> {
    let sql = "SELECT expanse.recover_transactions()";
    executor.value(server, command, sql, &[]).await
}
