//! A command whose time is over ends on the server as well, and no other does.

use std::time::Duration;

use expanse_sidecar::config::ExecutorConfig;
use expanse_sidecar::executor::{Command, Executor, Weight};
use expanse_sidecar::postgres::NodeAddress;
use tokio::time::{sleep, Instant};

use crate::proxy::Proxy;
use crate::{executor, in_time, Failure, Outcome};

const ASK: Command = Command::new("ask", Weight::Interactive);

/// A pool with one socket for everything but critical commands, so that the next command has to
/// wait for it.
fn one_socket() -> Executor {
    executor(&ExecutorConfig {
        sockets_per_node: 2,
        interactive_sockets: 1,
        ..ExecutorConfig::default()
    })
}

pub async fn run(node: &NodeAddress) -> Outcome {
    let pool = one_socket();
    let pid = backend(&pool, node).await?;
    let limit = Duration::from_millis(300);
    let began = Instant::now();
    let slow = ASK.until(began + limit);
    let answer = pool
        .query(node, slow, "SELECT pg_sleep(30), 'stress'", &[])
        .await;
    let took = began.elapsed();
    let sqlstate = match answer {
        Err(error) => error.sqlstate().to_owned(),
        Ok(_) => return Err("a command of 30 s succeeded".into()),
    };
    let again = backend(&pool, node).await?;
    let ended = until_ended(&pool, node).await?;
    let figures = format!(
        "{sqlstate} after {} ms of {}, ended on the server by {ended} ms, same connection: {}",
        took.as_millis(),
        limit.as_millis(),
        pid == again
    );
    if sqlstate != "XP101" {
        return Err(Failure::Wrong(figures));
    }
    in_time(
        took < limit + Duration::from_millis(100) && pid == again,
        figures,
    )
}

/// The request to cancel arrives long after the server itself has ended the command: it does not hit
/// the next one.
pub async fn late(node: &NodeAddress) -> Outcome {
    const DELAY: Duration = Duration::from_millis(500);
    let proxy = Proxy::slow_to_connect(node.port, DELAY)
        .await
        .map_err(|e| e.to_string())?;
    let node = &NodeAddress {
        port: proxy.port,
        ..node.clone()
    };
    let pool = one_socket();
    let pid = backend(&pool, node).await?;
    // The server ends it by itself at the next multiple of 100 ms.
    let slow = ASK.until(Instant::now() + Duration::from_millis(250));
    if pool
        .query(node, slow, "SELECT pg_sleep(30)", &[])
        .await
        .is_ok()
    {
        return Err("a command of 30 s succeeded".into());
    }
    let next: i32 = pool
        .value(node, ASK, "SELECT pg_backend_pid() FROM pg_sleep(1)", &[])
        .await
        .map_err(|error| format!("the next command was hit: {error}"))?;
    Ok(format!(
        "the next command was left alone, same connection: {}",
        pid == next
    ))
}

async fn backend(pool: &Executor, node: &NodeAddress) -> Result<i32, String> {
    pool.value(node, ASK, "SELECT pg_backend_pid()", &[])
        .await
        .map_err(|error| error.to_string())
}

async fn until_ended(pool: &Executor, node: &NodeAddress) -> Outcome<u128> {
    const SQL: &str = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep(30)%'";
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(2) {
        let active: i64 = pool
            .value(node, ASK, SQL, &[])
            .await
            .map_err(|error| error.to_string())?;
        if active == 0 {
            return Ok(began.elapsed().as_millis());
        }
        sleep(Duration::from_millis(20)).await;
    }
    Err(Failure::Late("it goes on on the server".into()))
}
