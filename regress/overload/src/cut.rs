//! The network goes away without a word, at the worst moments.

use std::time::Duration;

use expanse_sidecar::config::ExecutorConfig;
use expanse_sidecar::executor::{Command, Executor, Weight};
use expanse_sidecar::postgres::{Error, NodeAddress};
use tokio::time::{sleep, Instant};

use crate::load::Load;
use crate::proxy::{Network, Proxy};
use crate::{executor, in_time, Failure, Outcome};

const COMMIT: Command = Command::new("insert once", Weight::Critical);
const SETUP: Command = Command::new("set up", Weight::Interactive);

/// The session that is in the COMMIT of the insertion.
macro_rules! commits {
    () => {
        " FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'active' AND pid IN \
            (SELECT pid FROM pg_locks WHERE relation = 'once'::regclass)"
    };
}

async fn behind(proxy: &Proxy) -> NodeAddress {
    NodeAddress {
        node_name: "cut".into(),
        host: "127.0.0.1".into(),
        port: proxy.port,
    }
}

/// Commands end by their deadline whatever the network does, the breaker opens, and all is well
/// again when the network is.
pub async fn deadline(node: &NodeAddress) -> Outcome {
    let proxy = Proxy::start(node.port).await.map_err(|e| e.to_string())?;
    let pool = executor(&ExecutorConfig::default());
    let load = Load {
        node: behind(&proxy).await,
        takes: Duration::from_millis(5),
        deadline: Duration::from_millis(500),
    };
    if !load.once(&pool).await.ok {
        return Err(Failure::Late(
            "the command failed before the network was cut".into(),
        ));
    }
    proxy.set(Network::Silent);
    let ends = load.open(&pool, 20.0, Duration::from_secs(4)).await;
    let late = ends.iter().map(|end| end.late).max().unwrap_or_default();
    let refused = ends
        .iter()
        .filter(|end| end.took < Duration::from_millis(50))
        .count();
    proxy.set(Network::Whole);
    let began = Instant::now();
    while !load.once(&pool).await.ok {
        if began.elapsed() > Duration::from_secs(15) {
            return Err(Failure::Late("no recovery within 15 s".into()));
        }
        sleep(Duration::from_millis(50)).await;
    }
    let figures = format!(
        "{} commands, {refused} refused at once, at most {} ms late, back after {} ms",
        ends.len(),
        late.as_millis(),
        began.elapsed().as_millis()
    );
    if ends.iter().any(|end| end.ok) {
        return Err(Failure::Wrong(figures));
    }
    in_time(late < Duration::from_millis(100) && refused > 0, figures)
}

/// A COMMIT takes a second, and its answer is lost.
pub async fn commit(node: &NodeAddress) -> Outcome {
    let pool = executor(&ExecutorConfig::default());
    let setup = "DROP TABLE IF EXISTS once; CREATE TABLE once (i int); \
        CREATE OR REPLACE FUNCTION once_slowly() RETURNS trigger LANGUAGE plpgsql AS \
        'BEGIN PERFORM pg_sleep(1); RETURN NULL; END'; \
        CREATE CONSTRAINT TRIGGER once_slowly AFTER INSERT ON once DEFERRABLE INITIALLY DEFERRED \
        FOR EACH ROW EXECUTE FUNCTION once_slowly()";
    batch(&pool, node, setup).await?;
    let done = lost_answer(&pool, node).await;
    let undone = killed_commit(&pool, node).await;
    batch(&pool, node, "DROP TABLE once; DROP FUNCTION once_slowly").await?;
    Ok(format!("{}; {}", done?, undone?))
}

async fn batch(pool: &Executor, node: &NodeAddress, sql: &str) -> Outcome<()> {
    let done = pool.batch(node, SETUP, sql).await;
    done.map_err(|error| error.to_string().into())
}

/// The COMMIT is done, its answer is lost: it counts as done, once.
async fn lost_answer(pool: &Executor, node: &NodeAddress) -> Outcome {
    let proxy = Proxy::start(node.port).await.map_err(|e| e.to_string())?;
    let target = behind(&proxy).await;
    let limit = Duration::from_secs(4);
    let insert = pool.transact(&target, COMMIT, limit, "INSERT INTO once VALUES (1)", &[]);
    let network = async {
        let commits = until_it_commits(pool, node).await;
        proxy.set(Network::Mute);
        sleep(limit + Duration::from_millis(300)).await;
        proxy.set(Network::Whole);
        commits
    };
    let (inserted, commits) = tokio::join!(insert, network);
    commits?;
    inserted.map_err(|error| format!("the lost answer was not resolved: {error}"))?;
    match count(pool, node, 1).await? {
        1 => Ok("a lost answer was found to be a commit".into()),
        rows => Err(format!("{rows} rows instead of 1").into()),
    }
}

/// The server ends the session in the middle of its COMMIT: it counts as not done.
async fn killed_commit(pool: &Executor, node: &NodeAddress) -> Outcome {
    const KILL: &str = concat!("SELECT count(pg_terminate_backend(pid))", commits!());
    let limit = Duration::from_secs(5);
    let insert = pool.transact(node, COMMIT, limit, "INSERT INTO once VALUES (2)", &[]);
    let kill = async {
        until_it_commits(pool, node).await?;
        let killed = pool.value::<i64>(node, SETUP, KILL, &[]).await;
        killed.map_err(|error| Failure::from(error.to_string()))
    };
    let (inserted, killed) = tokio::join!(insert, kill);
    if killed? != 1 {
        return Err(Failure::Late("no COMMIT was there to be killed".into()));
    }
    match inserted {
        Err(Error::UnknownOutcome { .. }) | Ok(_) => {
            return Err("a killed COMMIT was not found out".into())
        }
        Err(_) => {}
    }
    match count(pool, node, 2).await? {
        0 => Ok("a killed one to be none".into()),
        rows => Err(format!("{rows} rows of a killed COMMIT").into()),
    }
}

/// Waits until the transaction is in its COMMIT.
async fn until_it_commits(pool: &Executor, node: &NodeAddress) -> Outcome<()> {
    const SQL: &str = concat!("SELECT count(*)", commits!());
    let began = Instant::now();
    loop {
        let commits = pool.value::<i64>(node, SETUP, SQL, &[]).await;
        if commits.map_err(|error| error.to_string())? > 0 {
            return Ok(());
        }
        if began.elapsed() > Duration::from_secs(3) {
            return Err(Failure::Late("it does not come to its COMMIT".into()));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn count(pool: &Executor, node: &NodeAddress, i: i32) -> Outcome<i64> {
    let sql = "SELECT count(*) FROM once WHERE i = $1";
    let counted = pool.value(node, SETUP, sql, &[&i]).await;
    counted.map_err(|error| error.to_string().into())
}
