//! The tables, twice: what the generator may name, and the rows they begin with.

use tokio_postgres::Client;

use expanse_cluster_box::Error;

/// What kind of values a column has; joins and comparisons stay within a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Number,
    Decimal,
    Text,
    Date,
}

pub struct Table {
    pub name: &'static str,
    pub columns: &'static [(&'static str, Kind)],
    /// Number of columns, from the first on, that are the primary key.
    pub key: usize,
    pub definition: &'static str,
    /// Makes it a table of the cluster.
    pub place: &'static str,
    /// Rows it begins with; `i` runs over a series.
    pub rows: &'static str,
}

/// Keys of `parent` and `child` run from 1 to this.
pub const KEYS: i64 = 60;

pub const TABLES: [Table; 4] = [
    Table {
        name: "parent",
        columns: &[
            ("id", Kind::Number),
            ("grp", Kind::Number),
            ("label", Kind::Text),
            ("price", Kind::Decimal),
            ("day", Kind::Date),
        ],
        key: 1,
        definition: "id bigint PRIMARY KEY, grp int, label text, price numeric(10,2), day date",
        place: "SELECT cluster_distribute_table('spread.parent', 'id')",
        rows: "SELECT i, CASE WHEN i % 7 > 0 THEN i % 5 END, 'label ' || i % 11, \
               CASE WHEN i % 9 > 0 THEN i * 1.25 END, DATE '2024-01-01' + i % 30 \
               FROM generate_series(1, 60) i",
    },
    Table {
        name: "child",
        columns: &[
            ("pid", Kind::Number),
            ("line", Kind::Number),
            ("qty", Kind::Number),
            ("note", Kind::Text),
            ("cost", Kind::Decimal),
        ],
        key: 2,
        definition: "pid bigint, line int, qty int, note text, cost numeric, PRIMARY KEY (pid, line)",
        place: "SELECT cluster_distribute_table('spread.child', 'pid', colocate_with => 'spread.parent')",
        rows: "SELECT i % 50 + 1, i / 50, i * 7 % 13, CASE WHEN i % 4 > 0 THEN 'label ' || i % 6 END, \
               i % 17 / 4.0 FROM generate_series(0, 149) i",
    },
    Table {
        name: "word",
        columns: &[("code", Kind::Text), ("num", Kind::Number), ("day", Kind::Date)],
        key: 1,
        definition: "code text PRIMARY KEY, num int, day date",
        place: "SELECT cluster_distribute_table('spread.word', 'code')",
        rows: "SELECT 'label ' || i, i % 6, DATE '2024-01-01' + i FROM generate_series(0, 24) i",
    },
    Table {
        name: "kind",
        columns: &[("num", Kind::Number), ("label", Kind::Text)],
        key: 1,
        definition: "num int PRIMARY KEY, label text",
        place: "SELECT cluster_replicate_table('spread.kind')",
        rows: "SELECT i, 'label ' || i * 2 FROM generate_series(0, 6) i",
    },
];

/// Both schemas, one table after the other, anew.
///
/// # Errors
/// [`Error::Server`].
pub async fn create(client: &Client) -> Result<(), Error> {
    for schema in ["plain", "spread"] {
        for table in TABLES.iter().rev() {
            let drop = format!("DROP TABLE IF EXISTS {schema}.{}", table.name);
            client.batch_execute(&drop).await?;
        }
        client
            .batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {schema}"))
            .await?;
        for table in &TABLES {
            let Table {
                name,
                definition,
                place,
                rows,
                ..
            } = table;
            client
                .batch_execute(&format!("CREATE TABLE {schema}.{name} ({definition})"))
                .await?;
            if schema == "spread" {
                client.batch_execute(place).await?;
            }
            client
                .batch_execute(&format!("INSERT INTO {schema}.{name} {rows}"))
                .await?;
        }
    }
    client.batch_execute("ANALYZE").await?;
    Ok(())
}
