//! Rows of a query one after the other, in bounded memory.

use crate::error::Error;
use crate::pg::spi;
use pgrx::pg_sys;
use std::ffi::{CStr, CString};

/// Rows fetched at a time.
const BATCH: i64 = 1000;

/// Calls `visit` with the text of every row of a query.
pub fn each_row(sql: &str, mut visit: impl FnMut(&[Option<&CStr>])) {
    let source = CString::new(sql).expect("SQL text has no NUL byte");
    // SAFETY: SPI is connected and finished here; the cursor belongs to it. The texts of a row live in the
    // batch's memory context, which is reset only after the rows of the batch were visited.
    unsafe {
        let _own = spi::Own::begin();
        pg_sys::SPI_connect();
        let plan = pg_sys::SPI_prepare(source.as_ptr(), 0, std::ptr::null_mut());
        if plan.is_null() {
            Error::Internal(format!(
                "a statement of the extension could not be prepared: {sql}"
            ))
            .raise();
        }
        let cursor = pg_sys::SPI_cursor_open(
            std::ptr::null(),
            plan,
            std::ptr::null_mut(),
            std::ptr::null(),
            false,
        );
        let batch = pg_sys::AllocSetContextCreateInternal(
            pg_sys::CurrentMemoryContext,
            c"rows".as_ptr(),
            0,
            8192,
            8 << 20,
        );
        loop {
            pgrx::check_for_interrupts!();
            pg_sys::SPI_cursor_fetch(cursor, true, BATCH);
            let table = pg_sys::SPI_tuptable;
            let count = pg_sys::SPI_processed as usize;
            if count == 0 {
                break;
            }
            let previous = pg_sys::MemoryContextSwitchTo(batch);
            for n in 0..count {
                visit_row(*(*table).vals.add(n), (*table).tupdesc, &mut visit);
            }
            pg_sys::MemoryContextSwitchTo(previous);
            pg_sys::MemoryContextReset(batch);
            pg_sys::SPI_freetuptable(table);
        }
        pg_sys::SPI_cursor_close(cursor);
        pg_sys::MemoryContextDelete(batch);
        pg_sys::SPI_finish();
    }
}

/// # Safety
/// The tuple is of the descriptor's type; texts are palloc'd in the current memory context.
unsafe fn visit_row(
    tuple: pg_sys::HeapTuple,
    descriptor: pg_sys::TupleDesc,
    visit: &mut impl FnMut(&[Option<&CStr>]),
) {
    // SAFETY: as the caller promises; SPI_getvalue gives null or a NUL-terminated string.
    unsafe {
        let fields: Vec<Option<&CStr>> = (1..=(*descriptor).natts)
            .map(|n| {
                let text = pg_sys::SPI_getvalue(tuple, descriptor, n);
                (!text.is_null()).then(|| CStr::from_ptr(text))
            })
            .collect();
        visit(&fields);
    }
}
