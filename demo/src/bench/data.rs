//! The tables of the bench, the same on both sides.

use tokio_postgres::Client;

use crate::pg::Server;
use crate::tpch::load::copy;
use crate::Error;

/// Branches, tellers a branch and accounts a branch of the TPC-B-like case.
pub const BRANCHES: i64 = 16;
pub const TELLERS: i64 = 10;
pub const ACCOUNTS: i64 = 5_000;

/// Keys to choose from when the owner of the rows matters.
const CANDIDATES: i64 = 30_000;

/// Keys of `item` by where the cluster keeps them, seen from its first node.
#[derive(Debug, Clone)]
pub struct Keys {
    pub local: Vec<i64>,
    pub remote: Vec<i64>,
}

/// Tables with the column they are distributed by; `None` stays a table of one node.
const TABLES: [(&str, &str, Option<&str>); 7] = [
    (
        "item",
        "k bigint PRIMARY KEY, kind int, amount numeric(12,2), note text",
        Some("k"),
    ),
    (
        "alone",
        "k bigint PRIMARY KEY, kind int, amount numeric(12,2), note text",
        None,
    ),
    (
        "copied",
        "k bigint PRIMARY KEY, kind int, amount numeric(12,2), note text",
        Some("k"),
    ),
    (
        "branch",
        "bid bigint PRIMARY KEY, balance bigint, filler text",
        Some("bid"),
    ),
    (
        "teller",
        "tid bigint PRIMARY KEY, bid bigint, balance bigint, filler text",
        Some("tid"),
    ),
    (
        "account",
        "aid bigint PRIMARY KEY, bid bigint, balance bigint, filler text",
        Some("aid"),
    ),
    (
        "history",
        "tid bigint, bid bigint, aid bigint, delta bigint, at timestamptz, filler text",
        Some("aid"),
    ),
];

/// Creates and fills all tables on both.
///
/// # Errors
/// [`Error::Server`].
pub async fn fill(plain_server: &Server, nodes: &[Server], rows: i64) -> Result<Keys, Error> {
    let plain = plain_server.connect("postgres").await?;
    let cluster = nodes[0].connect("postgres").await?;
    create(&plain, false).await?;
    create(&cluster, true).await?;
    for client in [&plain, &cluster] {
        copy(client, "item", items(1, rows)).await?;
        copy(client, "alone", items(1, CANDIDATES)).await?;
        copy(
            client,
            "branch",
            (1..=BRANCHES).map(|b| format!("{b}|0|{:88}", "")),
        )
        .await?;
        let tellers =
            (1..=BRANCHES * TELLERS).map(|t| format!("{t}|{}|0|{:84}", bank(t, TELLERS), ""));
        copy(client, "teller", tellers).await?;
        let accounts =
            (1..=BRANCHES * ACCOUNTS).map(|a| format!("{a}|{}|0|{:84}", bank(a, ACCOUNTS), ""));
        copy(client, "account", accounts).await?;
    }
    settle(plain_server).await?;
    for node in nodes {
        settle(node).await?;
    }
    keys(&cluster, rows.min(CANDIDATES)).await
}

/// What the server would do in the background while it is measured.
async fn settle(server: &Server) -> Result<(), Error> {
    let client = server.connect("postgres").await?;
    for statement in ["VACUUM (ANALYZE)", "CHECKPOINT"] {
        client.batch_execute(statement).await?;
    }
    Ok(())
}

async fn create(client: &Client, placed: bool) -> Result<(), Error> {
    for (name, columns, distributed_by) in TABLES {
        client
            .batch_execute(&format!("CREATE TABLE {name} ({columns})"))
            .await?;
        if let (true, Some(column)) = (placed, distributed_by) {
            let place = format!("SELECT cluster_distribute_table('{name}', '{column}')");
            client.batch_execute(&place).await?;
        }
    }
    Ok(())
}

/// Rows of `item` and of its like, about 60 bytes each.
pub fn items(first: i64, last: i64) -> impl Iterator<Item = String> {
    (first..=last).map(|k| {
        format!(
            "{k}|{}|{}.{:02}|item number {k} of the bench",
            k % 10,
            k % 9_973,
            k % 100
        )
    })
}

/// Branch of a teller or an account, when each branch has `each` of them.
pub fn bank(number: i64, each: i64) -> i64 {
    (number - 1) / each + 1
}

async fn keys(cluster: &Client, candidates: i64) -> Result<Keys, Error> {
    let owned = cluster
        .query(
            "SELECT k, cluster_owner('item', k)::text = 'n1' FROM generate_series(1, $1::bigint) k",
            &[&candidates],
        )
        .await?;
    let (local, remote): (Vec<_>, Vec<_>) = owned
        .iter()
        .map(|row| (row.get::<_, i64>(0), row.get::<_, bool>(1)))
        .partition(|k| k.1);
    let only = |keys: Vec<(i64, bool)>| keys.into_iter().map(|(key, _)| key).collect();
    Ok(Keys {
        local: only(local),
        remote: only(remote),
    })
}
