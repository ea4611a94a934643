//! Rows on their way to other nodes.

use crate::dispatch::stream::Stream;
use crate::error::Error;
use crate::metadata::bucket::Bucketer;
use crate::metadata::cache::{metadata, NodeId};
use crate::plan::distribution::Distribution;
use crate::remote::command::{Access, Command};
use crate::remote::settings::literal;
use crate::remote::value_settings::Faithful;
use crate::scan::statement_scan::state::everywhere;
use expanse_core::hash_map::HashMap;
use pgrx::pg_sys::{self, Datum, FmgrInfo, TupleTableSlot};
use std::collections::{BTreeMap, VecDeque};
use std::ffi::CStr;
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
    outputs: Vec<FmgrInfo>,
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
    /// For rows of this shape; function lookups live in the current memory context.
    ///
    /// # Safety
    /// `descriptor` is a valid tuple descriptor of the table's columns.
    pub unsafe fn new(distribution: Distribution, descriptor: pg_sys::TupleDesc) -> Outbox {
        let metadata = metadata().unwrap_or_else(|| Error::NotInitialized.raise());
        // SAFETY: attributes lie behind the descriptor, natts of them.
        let attributes = unsafe {
            std::slice::from_raw_parts((*descriptor).attrs.as_ptr(), (*descriptor).natts as usize)
        };
        let routing = distribution.key.map(|(column, group)| {
            let attribute = &attributes[column as usize - 1];
            let map = metadata.map_of(group).cloned();
            // The source's values may carry no collation; deterministic ones hash alike.
            // SAFETY: a catalog lookup.
            let collation = unsafe { pg_sys::get_typcollation(attribute.atttypid) };
            let bucketer = Bucketer::new(attribute.atttypid, collation);
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
            .map(|&c| output(attributes[c as usize - 1].atttypid))
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

    /// Takes a row for other nodes; true when this node is to insert it too (or instead).
    ///
    /// # Safety
    /// `slot` holds a row of the outbox's shape.
    pub unsafe fn take(&mut self, slot: *mut TupleTableSlot) -> bool {
        // SAFETY: deforms the slot; values and null flags of all columns are valid then.
        unsafe {
            let columns = (*(*slot).tts_tupleDescriptor).natts;
            if i32::from((*slot).tts_nvalid) < columns {
                pg_sys::slot_getsomeattrs_int(slot, columns);
            }
        }
        let Some((column, _)) = self.distribution.key else {
            for node in self.all.clone() {
                // SAFETY: as promised by the caller.
                unsafe { self.add(node, slot) };
            }
            return true;
        };
        // SAFETY: the key is one of the slot's columns.
        let (value, null) = unsafe { value_of(slot, column) };
        if null {
            // The column is NOT NULL: this node's own check says so in PostgreSQL's words.
            return true;
        }
        let owner = self
            .routing
            .as_mut()
            .map(|(map, bucketer)| map.owner(bucketer.bucket(value)));
        match owner {
            Some(node) if node != self.local => {
                // SAFETY: as promised by the caller.
                unsafe { self.add(node, slot) };
                false
            }
            _ => true,
        }
    }

    unsafe fn add(&mut self, node: NodeId, slot: *mut TupleTableSlot) {
        let batch = self.batches.entry(node).or_default();
        batch
            .text
            .push_str(if batch.rows == 0 { "(" } else { ", (" });
        let faithful = Faithful::new();
        for (index, &column) in self.distribution.columns.iter().enumerate() {
            if index > 0 {
                batch.text.push_str(", ");
            }
            // SAFETY: a column of the slot, and the output function of its type.
            unsafe {
                let (value, null) = value_of(slot, column);
                if null {
                    batch.text.push_str("NULL");
                } else {
                    let text = pg_sys::OutputFunctionCall(&mut self.outputs[index], value);
                    batch
                        .text
                        .push_str(&literal(&CStr::from_ptr(text).to_string_lossy()));
                    pg_sys::pfree(text.cast());
                }
            }
        }
        drop(faithful);
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

fn output(type_oid: pg_sys::Oid) -> FmgrInfo {
    let (mut oid, mut variable) = (pg_sys::InvalidOid, false);
    let mut function = FmgrInfo::default();
    // SAFETY: a catalog lookup of an existing type; fmgr_info fills the structure.
    unsafe {
        pg_sys::getTypeOutputInfo(type_oid, &mut oid, &mut variable);
        pg_sys::fmgr_info(oid, &mut function);
    }
    function
}

unsafe fn value_of(slot: *mut TupleTableSlot, column: i16) -> (Datum, bool) {
    // SAFETY: the slot is deformed and has this column.
    unsafe {
        let index = column as usize - 1;
        (
            *(*slot).tts_values.add(index),
            *(*slot).tts_isnull.add(index),
        )
    }
}
