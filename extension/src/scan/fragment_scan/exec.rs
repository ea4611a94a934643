//! Rows of a fragment: from this node, then from whichever other node has some.

use crate::dispatch::stream::{advance_any, Stream};
use crate::error::Error;
use crate::metadata::cache::{metadata, Metadata, NodeId};
use crate::pg::entry::entry;
use crate::pg::nodes::copy;
use crate::pg::raw;
use crate::pg::tree::NodeMut;
use crate::plan::bucket_filter;
use crate::plan::text::deparse;
use crate::remote::command::{Access, Command};
use crate::remote::value_settings;
use crate::scan::fragment_scan::state::{Delivered, FragmentScanState, Run};
use crate::scan::fragment_scan::{local, params};
use crate::scan::pending;
use crate::snapshot::agree::agree;
use pgrx::pg_sys::*;
use std::rc::Rc;

/// # Safety
/// Called by PostgreSQL's executor.
pub unsafe extern "C-unwind" fn execute(node: *mut CustomScanState) -> *mut TupleTableSlot {
    // SAFETY: PostgreSQL's own function over our scan.
    unsafe {
        raw::ExecScan(
            std::ptr::addr_of_mut!((*node).ss),
            Some(next),
            Some(recheck),
        )
    }
}

/// Conditions are part of the fragment or checked by PostgreSQL.
unsafe extern "C-unwind" fn recheck(_node: *mut ScanState, _slot: *mut TupleTableSlot) -> bool {
    true
}

unsafe extern "C-unwind" fn next(node: *mut ScanState) -> *mut TupleTableSlot {
    let state = node.cast::<FragmentScanState>();
    // SAFETY: the scan is ours; nothing droppable lives in this frame.
    unsafe {
        if !(*state).started {
            start_now(state);
        }
        let slot = (*state).css.ss.ss_ScanTupleSlot;
        if !(*state).local.is_null() {
            let row = local::next((*state).local);
            if !row.is_null() {
                return take_local(state, row, slot);
            }
            let local = (*state).local;
            (*state).local = std::ptr::null_mut();
            local::end(local);
            entry(|| local_done(&mut *(*state).run));
        }
        let index = entry(|| advance(&mut *(*state).run));
        if index < 0 {
            clear(slot);
            return slot;
        }
        take_remote(state, index as usize, slot)
    }
}

unsafe fn start_now(state: *mut FragmentScanState) {
    // SAFETY: the scan has begun; nothing droppable lives in this frame.
    unsafe {
        entry(|| {
            if (*state).failed {
                pending::refuse_failed();
            }
            (*(*state).run).pending = None;
        });
        // Should an error end this before the portal runs: it is not started anew.
        (*state).failed = true;
        let params = params::evaluate(state);
        entry(|| start(state, params));
        (*state).started = true;
        (*state).failed = false;
    }
}

/// Asks the nodes before the first row is wanted.
///
/// # Safety
/// As for [`crate::scan::pending::start_all`]: the scan has begun and not started.
pub unsafe fn start_early(node: *mut CustomScanState) {
    let state = node.cast::<FragmentScanState>();
    // SAFETY: as the caller promises.
    unsafe {
        start_now(state);
    }
}

unsafe fn clear(slot: *mut TupleTableSlot) {
    // SAFETY: every slot has its operations.
    unsafe {
        if let Some(clear) = (*(*slot).tts_ops).clear {
            clear(slot);
        }
    }
}

/// Sends the statement to the other nodes, then starts this node's own fragment.
unsafe fn start(state: *mut FragmentScanState, params: ParamListInfo) {
    // SAFETY: the scan has begun.
    unsafe {
        let run = &mut *(*state).run;
        let Some(metadata) = metadata() else {
            Error::NotInitialized.raise();
        };
        run.started_at = Some(std::time::Instant::now());
        let nodes = metadata
            .map_of(run.plan.group)
            .map(|map| map.nodes())
            .unwrap_or_default();
        let others: Vec<NodeId> = nodes
            .iter()
            .copied()
            .filter(|&node| node != metadata.local_node)
            .collect();
        let moving = metadata.group(run.plan.group).moving_to.is_some();
        start_remote(run, &nodes, &others, params, moving, &metadata);
        if nodes.contains(&metadata.local_node) {
            let outer = MemoryContextSwitchTo((*state).run_context);
            let query = copy(run.query);
            if moving {
                let mut query = NodeMut::present(query);
                bucket_filter::restrict_to_owned(&mut query, metadata.local_node, &metadata);
            }
            MemoryContextSwitchTo(outer);
            (*state).local = local::start(state, query, params);
            note(run, metadata.local_node);
        }
    }
}

unsafe fn start_remote(
    run: &mut Run,
    all: &[NodeId],
    nodes: &[NodeId],
    params: ParamListInfo,
    moving: bool,
    metadata: &Rc<Metadata>,
) {
    // SAFETY: the parameters have been evaluated; the user is set back below or by the abort of the transaction.
    unsafe {
        let (param_types, values) = params::as_text(params);
        let access = if run.shared || all.len() > 1 {
            Access::ReadShared
        } else {
            Access::Read
        };
        let (mut user, mut security) = (InvalidOid, 0);
        GetUserIdAndSecContext(&mut user, &mut security);
        if run.plan.user != 0 {
            SetUserIdAndSecContext(Oid::from(run.plan.user), security);
        }
        if run.shared || all.len() > 1 {
            run.agreement = Some(agree(all));
        }
        for &node in nodes {
            let sql = if moving {
                let query = copy(run.query);
                let mut query = NodeMut::present(query);
                bucket_filter::restrict_to_owned(&mut query, node, metadata);
                deparse(query)
            } else {
                run.plan.sql.clone()
            };
            let command = Command {
                sql: &sql,
                param_types: &param_types,
                params: &values,
                binary: run.plan.binary,
                prepare: !moving,
            };
            run.streams
                .push(Stream::start(node, access, &command).of(run.begun_in));
            note(run, node);
        }
        SetUserIdAndSecContext(user, security);
    }
}

fn note(run: &mut Run, node: NodeId) {
    if run.delivered.iter().all(|delivered| delivered.node != node) {
        run.delivered.push(Delivered {
            node,
            ..Delivered::default()
        });
    }
}

fn local_done(run: &mut Run) {
    if let (Some(started), Some(delivered)) = (run.started_at, run.delivered.last_mut()) {
        delivered.milliseconds += started.elapsed().as_secs_f64() * 1e3;
    }
}

/// The stream that has the next row; -1 when all have ended.
fn advance(run: &mut Run) -> i32 {
    match advance_any(&mut run.streams) {
        Some(index) => index as i32,
        None => -1,
    }
}

unsafe fn take_local(
    state: *mut FragmentScanState,
    row: *mut TupleTableSlot,
    slot: *mut TupleTableSlot,
) -> *mut TupleTableSlot {
    // SAFETY: the row has a value for each place; both slots are valid until the next row.
    unsafe {
        let run = &mut *(*state).run;
        let count = run.places.len();
        if ((*row).tts_nvalid as usize) < count {
            raw::slot_getsomeattrs_int(row, count as i32);
        }
        clear(slot);
        fill_nulls(run, slot);
        for (index, &place) in run.places.iter().enumerate() {
            *(*slot).tts_values.add(place) = *(*row).tts_values.add(index);
            *(*slot).tts_isnull.add(place) = *(*row).tts_isnull.add(index);
        }
        if run.instrument {
            if let Some(delivered) = run.delivered.last_mut() {
                delivered.rows += 1;
            }
        }
        raw::ExecStoreVirtualTuple(slot)
    }
}

/// Columns that were not asked for are never looked at, but must not be garbage.
unsafe fn fill_nulls(run: &Run, slot: *mut TupleTableSlot) {
    // SAFETY: the arrays have an entry for each attribute.
    unsafe {
        let attributes = (*(*slot).tts_tupleDescriptor).natts as usize;
        if run.places.len() < attributes {
            std::ptr::write_bytes((*slot).tts_isnull, 1, attributes);
        }
    }
}

unsafe fn take_remote(
    state: *mut FragmentScanState,
    index: usize,
    slot: *mut TupleTableSlot,
) -> *mut TupleTableSlot {
    // SAFETY: the stream has a current row; nothing droppable lives in this frame.
    unsafe {
        let run = &mut *(*state).run;
        let outer = CurrentMemoryContext;
        raw::MemoryContextReset((*state).row_context);
        CurrentMemoryContext = (*state).row_context;
        clear(slot);
        fill_nulls(run, slot);
        let stream = &run.streams[index];
        let changed = value_settings::begin();
        let mut bytes = 0;
        for column in 0..run.places.len() {
            let place = run.places[column];
            let value = stream.value(column);
            *(*slot).tts_isnull.add(place) = value.is_none();
            if let Some(value) = value {
                bytes += value.len() as u64;
                *(*slot).tts_values.add(place) = run.decoders[column].decode(value);
            }
        }
        if changed {
            value_settings::end();
        }
        CurrentMemoryContext = outer;
        if run.instrument {
            count(run, index, bytes);
        }
        raw::ExecStoreVirtualTuple(slot)
    }
}

fn count(run: &mut Run, index: usize, bytes: u64) {
    let elapsed = run
        .started_at
        .map_or(0.0, |at| at.elapsed().as_secs_f64() * 1e3);
    if let Some(delivered) = run.delivered.get_mut(index) {
        delivered.rows += 1;
        delivered.bytes += bytes;
        delivered.milliseconds = elapsed;
    }
}
