//! Rows on their way to other nodes.

use crate::dispatch::stream::Stream;
use crate::error::Error;
use crate::metadata::bucket::Bucketer;
use crate::metadata::cache::{metadata, NodeId};
use crate::pg::catalog::type_collation;
use crate::pg::executor::slot::Slot;
use crate::pg::executor::values::Output;
use crate::plan::distribution::Distribution;
use crate::remote::command::{Access, Command};
use crate::remote::exact_values::ExactValues;
use crate::remote::settings::literal;
use crate::scan::statement_scan::places::everywhere;
use expanse_core::hash_map::HashMap;
use pgrx::pg_sys;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// Bytes of one batch.
const BATCH_BYTES: usize = 256 * 1024;
/// Rows of one batch.
const BATCH_ROWS: usize = 1000;

/// Batches by node, and the statements they became.
pub struct Outbox {
    distribution: Distribution,
    local: NodeId,
    /// For a distributed table: owners and the key's hash.
    routing: Option<(Rc<HashMap>, Bucketer)>,
    /// For a replicated table: the other nodes.
    all: Vec<NodeId>,
    outputs: Vec<Output>,
    batches: BTreeMap<NodeId, Batch>,
    /// Statements whose answers are not read to the end.
    pub streams: VecDeque<Stream>,
    pub affected: u64,
    /// Types and values of `$1`, `$2`, ... behind the rows.
    pub parameters: (Vec<pg_sys::Oid>, Vec<Option<Vec<u8>>>),
}

#[derive(Default)]
struct Batch {
    rows: usize,
    text: String,
}

impl Outbox {
    /// For rows of a slot's shape, that of the table; function lookups live in the current memory context.
    pub fn new(distribution: Distribution, slot: Slot) -> Outbox {
        let metadata = metadata().unwrap_or_else(|| Error::NotInitialized.raise());
        let type_of = |column: i16| slot.attributes()[column as usize - 1].atttypid;
        let routing = distribution.key.map(|(column, group)| {
            let kind = type_of(column);
            let map = metadata.map_of(group).cloned();
            // The source's values may carry no collation; deterministic ones hash alike.
            let bucketer = Bucketer::new(kind, type_collation(kind));
            map.zip(bucketer).unwrap_or_else(|| {
                Error::Internal("a distributed table without map or hash".into()).raise()
            })
        });
        let all = match routing {
            Some(_) => Vec::new(),
            None => everywhere(&metadata)
                .into_iter()
                .filter(|&node| node != metadata.local_node)
                .collect(),
        };
        let outputs = distribution
            .columns
            .iter()
            .map(|&column| Output::new(type_of(column)))
            .collect();
        Outbox {
            distribution,
            local: metadata.local_node,
            routing,
            all,
            outputs,
            batches: BTreeMap::new(),
            streams: VecDeque::new(),
            affected: 0,
            parameters: Default::default(),
        }
    }

    /// Takes a row of the outbox's shape for other nodes; true when this node is to insert it too (or instead).
    pub fn take(&mut self, row: Slot) -> bool {
        let Some((column, _)) = self.distribution.key else {
            for node in self.all.clone() {
                self.add(node, row);
            }
            return true;
        };
        let Some(key) = row.value(column) else {
            // The column is NOT NULL: this node's own check says so in PostgreSQL's words.
            return true;
        };
        let owner = self
            .routing
            .as_mut()
            .map(|(map, bucketer)| map.owner(bucketer.bucket(key)));
        match owner {
            Some(node) if node != self.local => {
                self.add(node, row);
                false
            }
            _ => true,
        }
    }

    fn add(&mut self, node: NodeId, row: Slot) {
        let batch = self.batches.entry(node).or_default();
        batch
            .text
            .push_str(if batch.rows == 0 { "(" } else { ", (" });
        let exact = ExactValues::new();
        for (index, &column) in self.distribution.columns.iter().enumerate() {
            if index > 0 {
                batch.text.push_str(", ");
            }
            match row.value(column) {
                None => batch.text.push_str("NULL"),
                Some(value) => self.outputs[index].text(value, |text| {
                    batch.text.push_str(&literal(&text.to_string_lossy()));
                }),
            }
        }
        drop(exact);
        batch.text.push(')');
        batch.rows += 1;
        if batch.rows >= BATCH_ROWS || batch.text.len() >= BATCH_BYTES {
            self.send(node);
        }
    }

    /// Sends what is left, to all nodes at once.
    pub fn flush(&mut self) {
        let waiting: Vec<NodeId> = self.batches.keys().copied().collect();
        waiting.into_iter().for_each(|node| self.send(node));
    }

    fn send(&mut self, node: NodeId) {
        let Some(batch) = self.batches.remove(&node).filter(|batch| batch.rows > 0) else {
            return;
        };
        if self.distribution.behind.is_empty() {
            // Nothing is returned: the node's answer to its last batch is only a count.
            self.collect(node);
        }
        let sql = format!(
            "{}{}{}",
            self.distribution.before, batch.text, self.distribution.behind
        );
        let command = Command {
            binary: self.distribution.binary,
            param_types: &self.parameters.0,
            params: &self.parameters.1,
            ..Command::text(&sql)
        };
        self.streams
            .push_back(Stream::start(node, Access::Write, &command));
    }

    fn collect(&mut self, node: NodeId) {
        if let Some(at) = self.streams.iter().position(|stream| stream.node() == node) {
            if let Some(mut stream) = self.streams.remove(at) {
                while stream.advance() {}
                self.affected += stream.affected();
            }
        }
    }

    /// Is the table replicated?
    pub fn replicated(&self) -> bool {
        self.routing.is_none()
    }

    pub fn binary(&self) -> bool {
        self.distribution.binary
    }
}
