//! Generates TPC-H rows and copies them into a database.

use std::fmt::{Display, Write as _};
use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio_postgres::Client;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator,
    PartSuppGenerator, RegionGenerator, SupplierGenerator,
};

use super::TABLES;
use crate::Error;

/// Bytes handed to COPY at a time.
const CHUNK: usize = 256 * 1024;

/// What the generated data looks like: what readers check and writers choose from.
#[derive(Debug, Clone, Default)]
pub struct Dataset {
    /// Order keys with their numbers of lines, ascending.
    pub orders: Vec<(i64, i64)>,
    pub customers: i64,
    pub parts: i64,
    pub suppliers: i64,
    /// Sum of `l_linenumber` over all lines.
    pub line_number_sum: i64,
    pub rows: u64,
    /// As text, the way COPY takes it.
    pub bytes: u64,
}

impl Dataset {
    /// Counts what [`load`] will copy at this scale factor.
    pub fn describe(scale: f64) -> Self {
        let mut data = Self {
            customers: CustomerGenerator::new(scale, 1, 1).iter().count() as i64,
            parts: PartGenerator::new(scale, 1, 1).iter().count() as i64,
            suppliers: SupplierGenerator::new(scale, 1, 1).iter().count() as i64,
            ..Self::default()
        };
        for line in LineItemGenerator::new(scale, 1, 1).iter() {
            match data.orders.last_mut() {
                Some((key, lines)) if *key == line.l_orderkey => *lines += 1,
                _ => data.orders.push((line.l_orderkey, 1)),
            }
            data.line_number_sum += i64::from(line.l_linenumber);
        }
        data
    }

    pub fn lines(&self) -> i64 {
        self.orders.iter().map(|(_, lines)| lines).sum()
    }

    /// The highest order key; writers add orders above it.
    pub fn last_order(&self) -> i64 {
        self.orders.last().map_or(0, |(key, _)| *key)
    }
}

/// Creates the eight tables; with `placed`, spreads them over the cluster.
///
/// # Errors
/// [`Error::Server`].
pub async fn create(client: &Client, placed: bool) -> Result<(), Error> {
    for table in &TABLES {
        client.batch_execute(&table.create_statement()).await?;
        if placed {
            client.batch_execute(&table.place_statement()).await?;
        }
    }
    Ok(())
}

/// Copies all rows of one table; the number of rows and of bytes.
///
/// # Errors
/// [`Error::Server`]; [`Error::Wrong`] if the server took another number of rows.
pub async fn load(client: &Client, table: &str, scale: f64) -> Result<(u64, u64), Error> {
    match table {
        "region" => copy(client, table, RegionGenerator::new(scale, 1, 1).iter()).await,
        "nation" => copy(client, table, NationGenerator::new(scale, 1, 1).iter()).await,
        "supplier" => copy(client, table, SupplierGenerator::new(scale, 1, 1).iter()).await,
        "customer" => copy(client, table, CustomerGenerator::new(scale, 1, 1).iter()).await,
        "part" => copy(client, table, PartGenerator::new(scale, 1, 1).iter()).await,
        "partsupp" => copy(client, table, PartSuppGenerator::new(scale, 1, 1).iter()).await,
        "orders" => copy(client, table, OrderGenerator::new(scale, 1, 1).iter()).await,
        "lineitem" => copy(client, table, LineItemGenerator::new(scale, 1, 1).iter()).await,
        other => Err(Error::Wrong(format!("\"{other}\" is not a TPC-H table"))),
    }
}

/// Streams rows in the generator's `|`-terminated format. It never needs quoting: TPC-H text has
/// neither `|` nor `\`.
pub async fn copy(
    client: &Client,
    table: &str,
    rows: impl Iterator<Item = impl Display>,
) -> Result<(u64, u64), Error> {
    let statement = format!("COPY {table} FROM STDIN WITH (DELIMITER '|')");
    let mut sink = pin!(client.copy_in::<_, Bytes>(&statement).await?);
    let (mut sent, mut bytes) = (0, 0);
    let mut chunk = String::with_capacity(CHUNK + 1024);
    for row in rows {
        write!(chunk, "{row}").expect("writing to a string does not fail");
        if chunk.ends_with('|') {
            chunk.pop();
        }
        chunk.push('\n');
        sent += 1;
        if chunk.len() >= CHUNK {
            bytes += chunk.len() as u64;
            sink.send(Bytes::from(std::mem::take(&mut chunk))).await?;
        }
    }
    bytes += chunk.len() as u64;
    sink.send(Bytes::from(chunk)).await?;
    let taken = sink.finish().await?;
    if taken != sent {
        return Err(Error::Wrong(format!(
            "COPY {table}: {sent} rows sent, {taken} taken"
        )));
    }
    Ok((sent, bytes))
}
