//! Readers that know what the answer must be: generated rows are never added or removed, so each
//! must be seen exactly once in every single read, and sums that every transaction keeps must
//! never be off.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_postgres::{Client, Row};

use super::session::Session;
use super::{Shared, Tally};
use crate::Error;

const ONE_ORDER: &str = "SELECT o_custkey FROM orders WHERE o_orderkey = $1";
const ONE_ORDER_WITH_LINES: &str = "SELECT count(*), count(DISTINCT l_linenumber) FROM orders \
     JOIN lineitem ON l_orderkey = o_orderkey WHERE o_orderkey = $1";
const ALL_LINES: &str =
    "SELECT count(*), sum(l_linenumber)::bigint FROM lineitem WHERE l_orderkey <= $1";
const ALL_ORDERS: &str =
    "SELECT count(*), sum(o_shippriority)::bigint FROM orders WHERE o_orderkey <= $1";
const ALL_CUSTOMERS: &str =
    "SELECT count(*), (sum(c_acctbal) * 100)::bigint FROM customer WHERE c_custkey <= $1";
const ORDERS_OF_CUSTOMERS: &str = "SELECT count(*), count(DISTINCT o_orderkey) FROM customer \
     JOIN orders ON o_custkey = c_custkey WHERE o_orderkey <= $1";

/// Rest of the reader of whole tables between two reads.
const SCAN_PAUSE: Duration = Duration::from_millis(100);

/// Reads until told to stop; what it counted. Even readers read single orders, odd ones whole
/// tables.
pub async fn run(number: usize, client: Client, shared: Arc<Shared>) -> Result<Tally, Error> {
    let mut session = Session::new(client, true);
    let mut random = StdRng::seed_from_u64(shared.options.seed + 1_000 + number as u64);
    let mut turn = 0;
    while !shared.stopping() && !session.closed() {
        if number.is_multiple_of(2) {
            read_one(&mut session, &shared, &mut random, turn).await;
            tokio::time::sleep(shared.options.pause).await;
        } else {
            read_all(&mut session, &shared, turn).await;
            tokio::time::sleep(SCAN_PAUSE).await;
        }
        turn += 1;
    }
    Ok(session.tally)
}

async fn read_one(session: &mut Session, shared: &Shared, random: &mut StdRng, turn: u64) {
    let phase = shared.phase();
    let orders = &shared.data.orders;
    let (order, lines) = orders[random.random_range(0..orders.len())];
    let wrong = if turn.is_multiple_of(2) {
        let Some(rows) = session.read(ONE_ORDER, &[order], phase).await else {
            return;
        };
        (rows.len() != 1).then(|| format!("order {order} was seen {} times", rows.len()))
    } else {
        let Some(rows) = session.read(ONE_ORDER_WITH_LINES, &[order], phase).await else {
            return;
        };
        differs(&format!("lines of order {order}"), &rows, (lines, lines))
    };
    session.tally.checked(phase, wrong);
}

async fn read_all(session: &mut Session, shared: &Shared, turn: u64) {
    let phase = shared.phase();
    let data = &shared.data;
    let orders = data.orders.len() as i64;
    let (sql, last, expected) = match turn % 8 {
        0 | 4 => (
            ALL_LINES,
            data.last_order(),
            (data.lines(), data.line_number_sum),
        ),
        2 | 6 => (ALL_ORDERS, data.last_order(), (orders, 0)),
        7 => (ORDERS_OF_CUSTOMERS, data.last_order(), (orders, orders)),
        _ => (
            ALL_CUSTOMERS,
            data.customers,
            (data.customers, shared.balance_cents),
        ),
    };
    let Some(rows) = session.read(sql, &[last], phase).await else {
        return;
    };
    session.tally.checked(phase, differs(sql, &rows, expected));
}

/// What is wrong with an answer of one row of two numbers, if anything.
fn differs(what: &str, rows: &[Row], expected: (i64, i64)) -> Option<String> {
    let number = |column| rows[0].get::<_, Option<i64>>(column).unwrap_or(0);
    let seen = (rows.len() == 1).then(|| (number(0), number(1)));
    (seen != Some(expected)).then(|| format!("{what}: {seen:?} instead of {expected:?}"))
}
