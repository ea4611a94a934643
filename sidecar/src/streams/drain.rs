//! Is everything that a stream's source had committed visible on its target?
//!
//! The mark is a committed message in the source's log, which flushes everything before it. Changes travel in the order of
//! commits, and a worker takes one message after the other. So either of two things shows that everything before the mark
//! has been applied:
//!
//! * the worker has reported a position at or after it (`write_lsn` on the source). It reports no further than to what its
//!   server has flushed, though, and workers commit without waiting for that: the server's WAL writer flushes for them
//!   every 200 ms;
//! * it has taken a keepalive at or after it (`latest_end_lsn` on the target, which only keepalives move). A sender puts
//!   no position into one before it has sent all commits up to there.
//!
//! What has been applied and not flushed is made durable by what makes the switch durable there.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::{sleep, Instant};

use super::Refusal;
use crate::operations::error::{Error, Result};
use crate::postgres::{literal, Session};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(3);

/// Waits until everything that `source` had committed when this was called is visible on the nodes that get the streams of
/// these names, of which `targets` are some.
///
/// # Errors
/// [`Refusal::NotDrained`] if it takes longer than until `deadline`; those of the nodes.
pub async fn drain(
    source: &Session,
    targets: &[&Session],
    names: &[String],
    deadline: Instant,
) -> Result<()> {
    let left = || {
        let left = deadline.saturating_duration_since(Instant::now());
        left.max(Duration::from_millis(1))
    };
    const MARK: &str = "SELECT pg_logical_emit_message(true, 'expanse', '')::text";
    let mark: String = source.value("mark the log", MARK, &[], left()).await?;
    let (here, there) = questions(names, &mark);
    loop {
        let ask = |session, sql| async move {
            let rows = Session::query(session, "watch the drain", sql, &[], left()).await?;
            Ok::<_, Error>(rows.iter().map(|row| row.get(0)).collect::<Vec<String>>())
        };
        let asking = targets.iter().map(|target| ask(*target, there.as_str()));
        let answers = try_join_all(asking.chain([ask(source, here.as_str())])).await?;
        let reached: BTreeSet<String> = answers.into_iter().flatten().collect();
        if names.iter().all(|name| reached.contains(name)) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let node = source.node().to_owned();
            return Err(Refusal::NotDrained { node }.into());
        }
        sleep(PAUSE).await;
    }
}

/// Which of the streams have reached the mark, as the source sees it and as a target does. Without parameters: one
/// message there and one back.
fn questions(names: &[String], mark: &str) -> (String, String) {
    let names: Vec<String> = names.iter().map(|name| literal(name)).collect();
    let (names, mark) = (names.join(", "), literal(mark));
    (
        format!(
            "SELECT application_name FROM pg_stat_replication WHERE application_name IN ({names}) \
             AND state = 'streaming' AND write_lsn >= {mark}::pg_lsn"
        ),
        format!(
            "SELECT subname::text FROM pg_stat_subscription WHERE subname IN ({names}) \
             AND pid IS NOT NULL AND relid IS NULL AND latest_end_lsn >= {mark}::pg_lsn"
        ),
    )
}
