//! The rows a session keeps for its statements.

use crate::error::Error;
use crate::pg::executor::line_store::LineStore;
use crate::pg::function::text_rows::TextRows;
use crate::remote::copy_fields::fields;
use crate::remote::exact_values::ExactValues;
use std::cell::RefCell;
use std::collections::HashMap;

thread_local! {
    static STORES: RefCell<HashMap<i32, LineStore>> = RefCell::default();
}

/// Begins a store anew, without rows.
pub fn begin(number: i32) {
    let store = LineStore::new(c"expanse exchange");
    STORES.with_borrow_mut(|stores| stores.insert(number, store));
}

/// Adds lines, each ended by a newline.
pub fn add(number: i32, lines: &str) {
    with(number, |store| store.add(lines));
}

/// Visits everything that was added, as it was added.
pub fn read(number: i32, mut visit: impl FnMut(&str)) {
    with(number, |store| store.each(&mut visit));
}

fn with<T>(number: i32, body: impl FnOnce(&LineStore) -> T) -> T {
    STORES.with_borrow(|stores| match stores.get(&number) {
        Some(store) => body(store),
        None => Error::Internal(format!("no rows were sent for exchange {number}")).raise(),
    })
}

/// Forgets all stores, at the end of the transaction. Never raises.
pub fn forget() {
    STORES.with_borrow_mut(HashMap::clear);
}

crate::sql_function! {
    /// `expanse.exchange_add(number int, first boolean, lines text)`: rows for this session's next statement.
    fn exchange_add(args) {
        let number: i32 = args.required(0, "number");
        if args.required(1, "first") {
            begin(number);
        }
        add(number, &args.required::<String>(2, "lines"));
        None::<i32>
    }
}

crate::sql_function! {
    /// `expanse.exchange_rows(number int) -> setof record`: the rows that were sent under this number.
    fn exchange_rows(args) {
        let number: i32 = args.required(0, "number");
        let mut rows = TextRows::of(args);
        read(number, |lines| {
            for line in lines.split_terminator('\n') {
                put(line, &mut rows);
            }
        });
        None::<i32>
    }
}

/// Adds the row that a line of COPY's text format stands for.
fn put(line: &str, rows: &mut TextRows) {
    let texts: Vec<_> = fields(line).collect();
    if texts.len() != rows.columns() {
        let (sent, wanted) = (texts.len(), rows.columns());
        Error::Internal(format!("{sent} columns were sent, {wanted} are wanted")).raise();
    }
    let _exact = ExactValues::new();
    rows.put(texts);
}
