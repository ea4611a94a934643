//! Statements with parameters through SPI, row by row.

use crate::error::Error;
use crate::pg::executor::expression::Expression;
use pgrx::pg_sys::{self, Datum, HeapTuple, Oid, SPITupleTable, TupleDesc};
use std::ffi::{c_char, CStr, CString};
use std::marker::PhantomData;
use std::ops::Deref;

/// Rows fetched at a time.
const BATCH: i64 = 1000;

/// A value for `$n`.
pub struct Value {
    pub kind: Oid,
    pub value: Option<Datum>,
}

impl Value {
    /// What the expression gives now.
    pub fn of(expression: Expression) -> Value {
        Value {
            kind: expression.kind(),
            value: expression.value(),
        }
    }
}

/// One row, for as long as it is visited.
pub struct Row<'r> {
    tuple: HeapTuple,
    descriptor: TupleDesc,
    visit: PhantomData<&'r ()>,
}

impl Row<'_> {
    /// How many columns it has.
    pub fn len(&self) -> usize {
        // SAFETY: the descriptor of SPI's current result.
        unsafe { (*self.descriptor).natts as usize }
    }

    /// The text of the column at `index` (from 0), by its type's output function; `None` for NULL.
    pub fn text(&self, index: usize) -> Option<Text> {
        // SAFETY: a tuple of SPI's current result.
        let text = unsafe { pg_sys::SPI_getvalue(self.tuple, self.descriptor, index as i32 + 1) };
        // Only what is there may become a value: its end frees it.
        if text.is_null() {
            None
        } else {
            Some(Text(text))
        }
    }
}

/// A value's text, freed when it is dropped.
pub struct Text(*mut c_char);

impl Deref for Text {
    type Target = CStr;

    fn deref(&self) -> &CStr {
        // SAFETY: a palloc'd NUL-terminated string.
        unsafe { CStr::from_ptr(self.0) }
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        // SAFETY: palloc'd, and freed once.
        unsafe { pg_sys::pfree(self.0.cast()) };
    }
}

/// The statement's values as SPI takes them.
struct Arguments {
    kinds: Vec<Oid>,
    datums: Vec<Datum>,
    /// A blank, or `n` for NULL.
    nulls: Vec<u8>,
}

impl Arguments {
    fn of(values: &[Value]) -> Arguments {
        let nulls = values
            .iter()
            .map(|value| if value.value.is_none() { b'n' } else { b' ' });
        Arguments {
            kinds: values.iter().map(|value| value.kind).collect(),
            datums: values
                .iter()
                .map(|value| value.value.unwrap_or(Datum::from(0)))
                .collect(),
            nulls: nulls.chain([0]).collect(),
        }
    }
}

/// Runs the statement and visits its rows. One that does not write sees the snapshot of the statement around it, and its rows are
/// fetched in batches; one that writes sees what has been written before.
pub fn each_row_of(sql: &str, values: &[Value], writes: bool, visit: &mut dyn FnMut(Row<'_>)) {
    let text = CString::new(sql).expect("SQL text has no NUL byte");
    // SAFETY: finished below, or by the abort of the transaction.
    unsafe { pg_sys::SPI_connect() };
    if writes {
        execute(&text, Arguments::of(values));
        visit_batch(visit);
    } else {
        let cursor = open(&text, Arguments::of(values));
        while fetch(cursor) {
            visit_batch(visit);
        }
        // SAFETY: opened above.
        unsafe { pg_sys::SPI_cursor_close(cursor) };
    }
    // SAFETY: connected above.
    unsafe { pg_sys::SPI_finish() };
}

fn execute(sql: &CStr, mut arguments: Arguments) {
    // SAFETY: SPI is connected; there is a type, a datum and a character for each value.
    let code = unsafe {
        pg_sys::SPI_execute_with_args(
            sql.as_ptr(),
            arguments.kinds.len() as i32,
            arguments.kinds.as_mut_ptr(),
            arguments.datums.as_mut_ptr(),
            arguments.nulls.as_ptr().cast(),
            false,
            0,
        )
    };
    if code < 0 {
        let sql = sql.to_string_lossy();
        Error::Internal(format!("a statement failed with code {code}: {sql}")).raise();
    }
}

fn open(sql: &CStr, mut arguments: Arguments) -> pg_sys::Portal {
    // SAFETY: as in `execute`; SPI copies the values.
    unsafe {
        pg_sys::SPI_cursor_open_with_args(
            std::ptr::null(),
            sql.as_ptr(),
            arguments.kinds.len() as i32,
            arguments.kinds.as_mut_ptr(),
            arguments.datums.as_mut_ptr(),
            arguments.nulls.as_ptr().cast(),
            true,
            pg_sys::CURSOR_OPT_NO_SCROLL as i32,
        )
    }
}

/// Makes the next rows SPI's current result; false when there are none.
fn fetch(cursor: pg_sys::Portal) -> bool {
    // SAFETY: an open cursor of this SPI connection.
    unsafe {
        pg_sys::SPI_cursor_fetch(cursor, true, BATCH);
        pg_sys::SPI_processed > 0
    }
}

/// Visits SPI's current result and frees it.
fn visit_batch(visit: &mut dyn FnMut(Row<'_>)) {
    // SAFETY: SPI is connected; its result may be null, as that of a write that returns nothing.
    let Some(table) = (unsafe { pg_sys::SPI_tuptable.as_mut() }) else {
        return;
    };
    for index in 0..table.numvals as usize {
        let row = Row {
            // SAFETY: the index is below the number of tuples.
            tuple: unsafe { *table.vals.add(index) },
            descriptor: table.tupdesc,
            visit: PhantomData,
        };
        in_context_of(table, || visit(row));
    }
    // SAFETY: SPI's result, which no row refers to any more.
    unsafe { pg_sys::SPI_freetuptable(table) };
}

/// Runs `visit` in the memory that is freed with the result.
fn in_context_of(table: &SPITupleTable, visit: impl FnOnce()) {
    // SAFETY: the context lives as long as the result; an error leaves it to the handling of errors.
    let outer = unsafe { pg_sys::MemoryContextSwitchTo(table.tuptabcxt) };
    visit();
    // SAFETY: the context that was current before.
    unsafe { pg_sys::MemoryContextSwitchTo(outer) };
}
