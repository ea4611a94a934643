//! Inserts one row after the other, on any node that answers; what was acknowledged is noted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::cluster::ROWS;
use crate::kit::{let_pass, Node, Writer};

/// Keys whose insertion was acknowledged, by table. Clones are the same.
#[derive(Clone, Default)]
pub struct Acknowledged(Arc<Mutex<BTreeMap<String, Vec<i64>>>>);

impl Acknowledged {
    fn tables_and_keys(&self) -> MutexGuard<'_, BTreeMap<String, Vec<i64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table is written from now on; this key is in it.
    pub fn begin(&self, table: &str, key: i64) {
        self.tables_and_keys().insert(table.into(), vec![key]);
    }

    /// The table is not written any more.
    pub fn end(&self, table: &str) {
        self.tables_and_keys().remove(table);
    }

    fn note(&self, table: &str, key: i64) {
        let mut tables = self.tables_and_keys();
        tables.entry(table.into()).or_default().push(key);
    }

    pub fn tables(&self) -> Vec<String> {
        self.tables_and_keys().keys().cloned().collect()
    }

    pub fn keys(&self, table: &str) -> Vec<i64> {
        self.tables_and_keys()
            .get(table)
            .cloned()
            .unwrap_or_default()
    }

    fn count(&self) -> usize {
        self.tables_and_keys().values().map(Vec::len).sum()
    }

    /// Writes all tables until it is stopped. Statements fail while nodes are away, which is no harm.
    pub fn write(&self, nodes: Vec<Node>) -> Writer {
        const PAUSE: Duration = Duration::from_millis(20);
        let acknowledged = self.clone();
        let (tables, noted) = (self.tables(), self.count());
        // Beyond all keys of the writers before.
        let mut key = ROWS + 1 + i64::try_from(noted).unwrap_or(i64::MAX / 20) * 10;
        let mut turn = 0;
        Writer::start(move |_| {
            key += 1;
            turn = (turn + 1) % nodes.len();
            for table in &tables {
                let insert = format!("INSERT INTO {table} (id, note) VALUES ({key}, 'new')");
                if nodes[turn].ask(&insert).is_ok() {
                    acknowledged.note(table, key);
                }
            }
            let_pass(PAUSE);
            Ok(())
        })
    }
}
