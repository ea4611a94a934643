//! Two-phase commit, decided by a record that the local transaction writes.
//!
//! # How it works
//! [`prepare`] prepares all written nodes at once and inserts the transaction's name into `expanse.commit_record`; the
//! local commit makes the record (and so the decision) durable; [`commit_prepared`] tells the nodes. The record is
//! removed by the backend's next such transaction, or by recovery.
//!
//! # What is not guaranteed
//! A node that can not be told stays prepared until [`super::recovery`] reaches it.

use super::{commit, fault};
use crate::catalog::metadata;
use crate::catalog::scan::table_oid;
use crate::error::Error;
use crate::executor::connection::Connection;
use crate::executor::{pool, quote_literal};
use pgrx::{pg_sys, IntoDatum};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// How long the end of a committed transaction waits for a node before recovery takes over.
const DECISION_TIMEOUT_MS: i64 = 10_000;

thread_local! {
    static COUNTER: Cell<u32> = const { Cell::new(0) };
    /// A record whose transaction is finished on all nodes.
    static FINISHED: RefCell<Option<String>> = const { RefCell::new(None) };
    static DECIDED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Prepares on all writers; raises (and so rolls back everywhere) when one can not.
pub fn prepare(writers: &[Rc<RefCell<Connection>>]) {
    let metadata = metadata().unwrap_or_else(|| Error::NotInitialized.raise());
    let name = name(metadata.local_node);
    fault::point("before_prepare");
    for writer in writers {
        let mut connection = writer.borrow_mut();
        let own = format!("{name}_{}", connection.node);
        let announcement = format!(
            "SELECT expanse.announce_transaction({})",
            quote_literal(&name)
        );
        connection.push(&announcement);
        connection.push(&format!("PREPARE TRANSACTION {}", quote_literal(&own)));
        connection.end_round();
        connection.prepared_as = Some(own);
    }
    for writer in writers {
        writer.borrow_mut().finish_round();
    }
    for writer in writers {
        let mut connection = writer.borrow_mut();
        if let Some(failure) = connection.take_failure() {
            // PREPARE that fails rolls back by itself; ROLLBACK PREPARED would find nothing.
            if connection.handle.alive() {
                commit::reset(&mut connection);
            }
            failure.raise();
        }
    }
    fault::point("after_prepare");
    if let Some(finished) = FINISHED.take() {
        delete_record(&finished);
    }
    record_here(&name);
    insert_record(&name);
    DECIDED.set(Some(name));
}

/// Tells the nodes that the transaction has committed; never raises.
pub fn commit_prepared() {
    let Some(name) = DECIDED.take() else { return };
    fault::point("after_local_commit");
    let connections = pool::all();
    for shared in &connections {
        let Ok(mut connection) = shared.try_borrow_mut() else {
            continue;
        };
        if let Some(own) = connection.prepared_as.clone() {
            let told = connection.try_push(&format!("COMMIT PREPARED {}", quote_literal(&own)));
            connection.broken |= !told;
            connection.try_end_round();
        }
    }
    let mut all_told = true;
    for shared in &connections {
        let Ok(mut connection) = shared.try_borrow_mut() else {
            continue;
        };
        if connection.prepared_as.is_none() {
            continue;
        }
        let answered = !connection.broken && connection.finish_quietly(DECISION_TIMEOUT_MS);
        // Recovery may have been faster: then the part is gone, and committed.
        let well = answered
            && connection
                .failure
                .take()
                .is_none_or(|f| f.sqlstate == "42704");
        let node = connection.node_name.clone();
        commit::reset(&mut connection);
        drop(connection);
        if !well {
            all_told = false;
            pool::forget(shared);
            pgrx::warning!(
                "node \"{node}\" has not confirmed the commit yet; recovery will finish it"
            );
        }
    }
    if all_told {
        FINISHED.set(Some(name));
    }
}

/// The statement that undoes a prepared part.
pub fn rollback_prepared(name: &str) -> String {
    format!("ROLLBACK PREPARED {}", quote_literal(name))
}

/// `expanse_<coordinator>_<xid>_<backend start>_<counter>`; each node's part has `_<node>` behind it.
fn name(coordinator: i32) -> String {
    COUNTER.set(COUNTER.get() + 1);
    // SAFETY: assigns this transaction's id if it has none yet; reads the backend's start time.
    let (xid, start) = unsafe {
        (
            pg_sys::GetTopFullTransactionId().value,
            pg_sys::MyStartTimestamp,
        )
    };
    format!("expanse_{coordinator}_{xid}_{start}_{}", COUNTER.get())
}

/// Readers on this node must know the transaction before they can see it.
fn record_here(name: &str) {
    // SAFETY: reads this transaction's id, which `name` has assigned.
    let xid = unsafe { pg_sys::GetTopTransactionIdIfAny() }.into_inner();
    let fingerprint = super::consistency::fingerprint(name);
    super::consistency::ring::record(super::consistency::ring::Entry { fingerprint, xid });
}

fn insert_record(name: &str) {
    let Some(oid) = table_oid(c"commit_record") else {
        return;
    };
    // SAFETY: the relation is locked and open; the tuple has the table's two columns, both set.
    unsafe {
        let relation = pg_sys::table_open(oid, pg_sys::RowExclusiveLock as i32);
        let mut values = [
            name.into_datum().expect("text is never NULL"),
            pg_sys::Datum::from(pg_sys::GetCurrentTimestamp()),
        ];
        let mut nulls = [false, false];
        let tuple =
            pg_sys::heap_form_tuple((*relation).rd_att, values.as_mut_ptr(), nulls.as_mut_ptr());
        pg_sys::CatalogTupleInsert(relation, tuple);
        pg_sys::table_close(relation, pg_sys::NoLock as i32);
    }
}

/// Removes a record whose transaction no node holds prepared any more.
pub fn delete_record(name: &str) {
    let Some(oid) = table_oid(c"commit_record") else {
        return;
    };
    // SAFETY: the relation is locked and open for the scan; on an error the resource owner cleans up.
    unsafe {
        let relation = pg_sys::table_open(oid, pg_sys::RowExclusiveLock as i32);
        let index = pg_sys::RelationGetPrimaryKeyIndex(relation);
        let mut key = pg_sys::ScanKeyData::default();
        pg_sys::ScanKeyInit(
            &mut key,
            1,
            pg_sys::BTEqualStrategyNumber as u16,
            pg_sys::Oid::from(pg_sys::F_TEXTEQ),
            name.into_datum().expect("text is never NULL"),
        );
        let scan =
            pg_sys::systable_beginscan(relation, index, true, std::ptr::null_mut(), 1, &mut key);
        let tuple = pg_sys::systable_getnext(scan);
        if !tuple.is_null() {
            pg_sys::CatalogTupleDelete(relation, &mut (*tuple).t_self);
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, pg_sys::NoLock as i32);
    }
}
