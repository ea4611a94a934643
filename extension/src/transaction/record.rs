//! Commit records: `expanse.commit_record` has a row exactly if a transaction over several nodes is committed.
//!
//! # How it works
//! The row is inserted by the transaction it stands for, through the heap and its indexes, so that neither the user's
//! privileges nor its isolation level matter. Once all nodes have confirmed, the row is of no use; it is deleted by
//! the next such transaction of this backend, or by recovery.

use crate::error::Error;
use crate::metadata::scan::table_oid;
use expanse_core::TransactionName;
use pgrx::{pg_sys, IntoDatum};
use std::cell::RefCell;

thread_local! {
    /// Confirmed by all nodes, and still recorded.
    static FINISHED: RefCell<Vec<TransactionName>> = const { RefCell::new(Vec::new()) };
}

/// At most so many rows are remembered for deletion; recovery finds the others.
const REMEMBERED: usize = 64;

/// Inserts the record of the running transaction, and deletes those that are finished.
pub fn write(name: &TransactionName) {
    let finished = FINISHED.take();
    with_table(|table| {
        for name in &finished {
            delete_in(table, name);
        }
        let text = name.to_string().into_datum().expect("a text is a datum");
        // SAFETY: two values of the table's two columns, neither null; the tuple is formed by its own descriptor.
        unsafe {
            let now = pg_sys::Datum::from(pg_sys::GetCurrentTimestamp());
            let mut values = [text, now];
            let mut nulls = [false, false];
            let tuple =
                pg_sys::heap_form_tuple((*table).rd_att, values.as_mut_ptr(), nulls.as_mut_ptr());
            pg_sys::CatalogTupleInsert(table, tuple);
        }
    });
}

/// All nodes have confirmed.
pub fn finished(name: TransactionName) {
    FINISHED.with_borrow_mut(|finished| {
        if finished.len() < REMEMBERED {
            finished.push(name);
        }
    });
}

/// All records committed by now.
pub fn all() -> Vec<TransactionName> {
    let mut found = Vec::new();
    crate::metadata::scan::scan(c"commit_record", |row| {
        let name: Option<String> = row.get(c"transaction_name");
        found.extend(name.as_deref().and_then(TransactionName::parse));
    });
    found
}

/// Deletes the records of these transactions.
pub fn delete(names: &[TransactionName]) {
    if names.is_empty() {
        return;
    }
    with_table(|table| {
        for name in names {
            delete_in(table, name);
        }
    });
}

fn with_table(work: impl FnOnce(pg_sys::Relation)) {
    let Some(oid) = table_oid(c"commit_record") else {
        Error::NotInitialized.raise()
    };
    // SAFETY: open and locked during the work, the lock kept to the end of the transaction as for any writer.
    unsafe {
        let table = pg_sys::table_open(oid, pg_sys::RowExclusiveLock as i32);
        work(table);
        pg_sys::table_close(table, pg_sys::NoLock as i32);
    }
}

/// Deletes one record by its key. Somebody else who deletes it at the same time is welcome.
fn delete_in(table: pg_sys::Relation, name: &TransactionName) {
    let key = name.to_string().into_datum().expect("a text is a datum");
    // SAFETY: the scan key is of the primary key's one column, with text equality and the column's collation; the
    // scan is ended before the table is closed. heap_delete neither waits nor raises on a concurrent change.
    unsafe {
        let mut scan_key = pg_sys::ScanKeyData::default();
        pg_sys::ScanKeyInit(
            &mut scan_key,
            1,
            pg_sys::BTEqualStrategyNumber as u16,
            pg_sys::Oid::from_u32(pg_sys::F_TEXTEQ),
            key,
        );
        scan_key.sk_collation = pg_sys::Oid::from_u32(100); // DEFAULT_COLLATION_OID
        let index = pg_sys::RelationGetPrimaryKeyIndex(table);
        let scan = pg_sys::systable_beginscan(
            table,
            index,
            index != pg_sys::InvalidOid,
            std::ptr::null_mut(),
            1,
            &mut scan_key,
        );
        let tuple = pg_sys::systable_getnext(scan);
        if !tuple.is_null() {
            let mut failure = pg_sys::TM_FailureData::default();
            let mut tid = (*tuple).t_self;
            pg_sys::heap_delete(
                table,
                &mut tid,
                pg_sys::GetCurrentCommandId(true),
                std::ptr::null_mut(),
                false,
                &mut failure,
                false,
            );
        }
        pg_sys::systable_endscan(scan);
    }
}

/// Is there a committed record, as of now?
pub fn exists(name: &TransactionName) -> bool {
    let mut found = false;
    crate::metadata::scan::scan(c"commit_record", |row| {
        let text: Option<String> = row.get(c"transaction_name");
        found |= text.as_deref().and_then(TransactionName::parse) == Some(*name);
    });
    found
}
