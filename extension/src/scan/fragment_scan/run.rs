//! Rows of a fragment: from this node, then from whichever other node has some.

use crate::dispatch::stream::{advance_any, Stream};
use crate::error::Error;
use crate::metadata::cache::{metadata, Metadata, NodeId};
use crate::pg::executor::scan_node::ScanNode;
use crate::pg::executor::slot::Slot;
use crate::pg::session;
use crate::pg::session::ActingAs;
use crate::pg::tree::{copy, NodeMut};
use crate::plan::bucket_filter::restrict_to_owned;
use crate::plan::text::deparse;
use crate::remote::command::{Access, Command};
use crate::remote::exact_values;
use crate::scan::fragment_scan::local;
use crate::scan::fragment_scan::state::{Delivered, FragmentScan};
use crate::scan::pending;
use crate::snapshot::agree::agree;
use pgrx::pg_sys::{CurrentMemoryContext, Datum, Oid, Query};
use std::time::Instant;

impl FragmentScan {
    /// Before the parameters are computed.
    pub fn begin_start(&mut self) {
        if self.failed {
            pending::refuse_failed();
        }
        self.pending = None;
        // Should an error end this before the portal runs: it is not started anew.
        self.failed = true;
    }

    /// Sends the statement to the other nodes, then starts this node's own fragment.
    pub fn start(&mut self, node: ScanNode<'_>) {
        let metadata = metadata().unwrap_or_else(|| Error::NotInitialized.raise());
        self.started_at = Some(Instant::now());
        let map = metadata.map_of(self.plan.group);
        let nodes = map.map(|map| map.nodes()).unwrap_or_default();
        let moving = metadata.group(self.plan.group).moving_to.is_some();
        self.start_remote(&nodes, moving, &metadata);
        if nodes.contains(&metadata.local_node) {
            self.local = Some(self.run_memory.inside(|| {
                let query = self.query_for(metadata.local_node, moving, &metadata);
                let agreed = self.agreement.is_some();
                local::start(node, query, self.parameters.values(), agreed)
            }));
            self.note(metadata.local_node);
        }
        self.started = true;
        self.failed = false;
    }

    fn start_remote(&mut self, all: &[NodeId], moving: bool, metadata: &Metadata) {
        let (param_types, values) = self.parameters.as_text();
        let several = self.shared || all.len() > 1;
        let access = if several {
            Access::ReadShared
        } else {
            Access::Read
        };
        let user = match self.plan.user {
            0 => session::user(),
            user => Oid::from(user),
        };
        let _user = ActingAs::new(user, 0);
        if several {
            self.agreement = Some(agree(all));
        }
        for &node in all.iter().filter(|&&node| node != metadata.local_node) {
            let restricted = moving.then(|| self.sql_for(node, metadata));
            let command = Command {
                sql: restricted.as_ref().unwrap_or(&self.plan.sql),
                param_types: &param_types,
                params: &values,
                binary: self.plan.binary,
                prepare: !moving,
            };
            let stream = Stream::start(node, access, &command).of(self.begun_in);
            self.streams.push(stream);
            self.note(node);
        }
    }

    /// A copy of the query, for the rows that the node owns where the group is in motion.
    fn query_for(
        &self,
        node: NodeId,
        moving: bool,
        metadata: &Metadata,
    ) -> NodeMut<'static, Query> {
        let mut query = copy(self.query);
        if moving {
            restrict_to_owned(&mut query, node, metadata);
        }
        query
    }

    fn sql_for(&self, node: NodeId, metadata: &Metadata) -> String {
        deparse(self.query_for(node, true, metadata))
    }

    fn note(&mut self, node: NodeId) {
        if self
            .delivered
            .iter()
            .all(|delivered| delivered.node != node)
        {
            self.delivered.push(Delivered {
                node,
                ..Delivered::default()
            });
        }
    }

    /// This node's own fragment has given all of its rows.
    pub fn local_has_ended(&mut self) {
        if let (Some(started), Some(delivered)) = (self.started_at, self.delivered.last_mut()) {
            delivered.milliseconds += started.elapsed().as_secs_f64() * 1e3;
        }
    }

    /// The stream that has the next row; `None` when all have ended.
    pub fn advance(&mut self) -> Option<usize> {
        advance_any(&mut self.streams)
    }

    /// Puts a row of this node's fragment into the scan's slot; both are valid until the next row.
    pub fn show_local(&mut self, row: Slot, slot: Slot) {
        let (values, nulls) = row.values(self.places.len());
        slot.store(|to_values, to_nulls| {
            self.clear_others(to_nulls);
            for (index, &place) in self.places.iter().enumerate() {
                to_values[place] = values[index];
                to_nulls[place] = nulls[index];
            }
        });
        if self.measured {
            if let Some(delivered) = self.delivered.last_mut() {
                delivered.rows += 1;
            }
        }
    }

    /// Columns that were not asked for are never looked at, but must not be garbage.
    fn clear_others(&self, nulls: &mut [bool]) {
        if self.places.len() < nulls.len() {
            nulls.fill(true);
        }
    }

    /// Puts a stream's current row into the scan's slot.
    ///
    /// # Safety
    /// Nothing droppable lives in the callers' frames: functions of types run without a guard.
    pub unsafe fn show_remote(&mut self, index: usize, slot: Slot) {
        let mut bytes = 0;
        // SAFETY: nothing droppable lives in this frame either; an error leaves the memory context to PostgreSQL's handler.
        unsafe {
            let outer = CurrentMemoryContext;
            self.row_memory.reset_unguarded();
            CurrentMemoryContext = self.row_memory.as_ptr();
            let changed = exact_values::begin();
            slot.store(|values, nulls| {
                self.clear_others(nulls);
                let stream = &self.streams[index];
                for (column, &place) in self.places.iter().enumerate() {
                    let value = stream.value(column);
                    nulls[place] = value.is_none();
                    values[place] = value.map_or(Datum::from(0), |value| {
                        bytes += value.len() as u64;
                        self.decoders[column].decode(value)
                    });
                }
            });
            if changed {
                exact_values::end();
            }
            CurrentMemoryContext = outer;
        }
        if self.measured {
            self.count(index, bytes);
        }
    }

    fn count(&mut self, index: usize, bytes: u64) {
        let started = self.started_at;
        let elapsed = started.map_or(0.0, |at| at.elapsed().as_secs_f64() * 1e3);
        if let Some(delivered) = self.delivered.get_mut(index) {
            delivered.rows += 1;
            delivered.bytes += bytes;
            delivered.milliseconds = elapsed;
        }
    }

    /// Forgets the running execution, if any; this node's own fragment has been ended.
    pub fn stop(&mut self) {
        if std::mem::take(&mut self.started) {
            self.streams.clear();
            self.agreement = None;
            self.run_memory.reset();
        }
    }
}
