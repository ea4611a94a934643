//! Commit records: `expanse.commit_record` has a row exactly if a transaction over several nodes is committed.
//!
//! # How it works
//! The row is inserted by the transaction it stands for, through the heap and its indexes, so that neither the user's
//! privileges nor its isolation level matter. Once all nodes have confirmed, the row is of no use; it is deleted by
//! the next such transaction of this backend, or by recovery.

use crate::metadata::catalog_table;
use crate::metadata::catalog_table::CatalogTable;
use crate::state::now;
use expanse_core::TransactionName;
use pgrx::IntoDatum;
use std::cell::RefCell;
use std::ffi::CStr;

thread_local! {
    /// Confirmed by all nodes, and still recorded.
    static FINISHED: RefCell<Vec<TransactionName>> = const { RefCell::new(Vec::new()) };
}

/// At most so many rows are remembered for deletion; recovery finds the others.
const REMEMBERED: usize = 64;

const TABLE: &CStr = c"commit_record";
const NAME: &str = "transaction_name";

/// Inserts the record of the running transaction, and deletes those that are finished.
pub fn write(name: &TransactionName) {
    let finished = FINISHED.take();
    catalog_table::write(TABLE, |table| {
        delete_in(table, &finished);
        let text = name.to_string().into_datum().expect("a text is a datum");
        table.insert(&[
            (table.column(NAME), text),
            (table.column("written_at"), now().into()),
        ]);
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

/// The names in all records committed by now.
pub fn names() -> Vec<String> {
    let mut found = Vec::new();
    catalog_table::read(TABLE, |table| {
        let name = table.column(NAME);
        table.rows(|row| found.extend(row.get::<String>(name)));
    });
    found
}

/// All records committed by now.
pub fn all() -> Vec<TransactionName> {
    let names = names();
    names
        .iter()
        .filter_map(|name| TransactionName::parse(name))
        .collect()
}

/// Is there a committed record, as of now?
pub fn exists(name: &TransactionName) -> bool {
    all().contains(name)
}

/// Deletes the records of these transactions.
pub fn delete(names: &[TransactionName]) {
    if !names.is_empty() {
        catalog_table::write(TABLE, |table| delete_in(table, names));
    }
}

fn delete_in(table: &CatalogTable, names: &[TransactionName]) {
    let column = table.column(NAME);
    for name in names {
        table.delete(column, &name.to_string());
    }
}
