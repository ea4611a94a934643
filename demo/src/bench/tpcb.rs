//! The TPC-B-like transaction, as pgbench has it: an account, its teller and its branch change
//! together. The tables are distributed by their own keys, so that most transactions span nodes.

use rand::Rng;

use super::clients::Worker;
use super::data::{bank, ACCOUNTS, BRANCHES, TELLERS};
use crate::Error;

pub const STATEMENTS: [&str; 5] = [
    "UPDATE account SET balance = balance + $2 WHERE aid = $1",
    "SELECT balance FROM account WHERE aid = $1",
    "UPDATE teller SET balance = balance + $2 WHERE tid = $1",
    "UPDATE branch SET balance = balance + $2 WHERE bid = $1",
    "INSERT INTO history (tid, bid, aid, delta, at) VALUES ($1, $2, $3, $4, now())",
];

/// One transaction.
///
/// # Errors
/// [`Error::Server`].
pub async fn transaction(mut worker: Worker) -> Result<Worker, Error> {
    let aid = worker.random.random_range(1..=BRANCHES * ACCOUNTS);
    let tid = worker.random.random_range(1..=BRANCHES * TELLERS);
    let bid = bank(tid, TELLERS);
    let delta = worker.random.random_range(-5_000_i64..=5_000);
    let Worker {
        client, statements, ..
    } = &worker;
    client.batch_execute("BEGIN").await?;
    client.execute(&statements[0], &[&aid, &delta]).await?;
    client.query_one(&statements[1], &[&aid]).await?;
    client.execute(&statements[2], &[&tid, &delta]).await?;
    client.execute(&statements[3], &[&bid, &delta]).await?;
    client
        .execute(&statements[4], &[&tid, &bid, &aid, &delta])
        .await?;
    client.batch_execute("COMMIT").await?;
    Ok(worker)
}
