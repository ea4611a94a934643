//! A command whose time is over ends on the server as well.

use std::time::Duration;

use expanse_sidecar::config::ExecutorConfig;
use expanse_sidecar::executor::{Command, Executor, Weight};
use expanse_sidecar::postgres::NodeAddress;
use tokio::time::{sleep, Instant};

use crate::{executor, Outcome};

const ASK: Command = Command::new("ask", Weight::Interactive);

pub async fn run(node: &NodeAddress) -> Outcome {
    // One socket for everything but critical commands, so that the next command has to wait for it.
    let config = ExecutorConfig {
        sockets_per_node: 2,
        interactive_sockets: 1,
        ..ExecutorConfig::default()
    };
    let pool = executor(&config);
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
    if sqlstate == "XP101" && took < limit + Duration::from_millis(100) && pid == again {
        Ok(figures)
    } else {
        Err(figures)
    }
}

async fn backend(pool: &Executor, node: &NodeAddress) -> Result<i32, String> {
    pool.value(node, ASK, "SELECT pg_backend_pid()", &[])
        .await
        .map_err(|error| error.to_string())
}

async fn until_ended(pool: &Executor, node: &NodeAddress) -> Result<u128, String> {
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
    Err("it goes on on the server".into())
}
