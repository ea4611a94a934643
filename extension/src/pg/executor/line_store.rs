//! Text in a tuplestore, which moves to a file when it outgrows `work_mem`.

use crate::pg::memory::Context;
use pgrx::pg_sys::{self, Datum, TupleDesc, Tuplestorestate};
use pgrx::{FromDatum, IntoDatum};
use std::ffi::CStr;

/// Pieces of text in the order in which they were added. Belongs to no statement, and its temporary file neither.
pub struct LineStore {
    context: Context,
    rows: *mut Tuplestorestate,
    descriptor: TupleDesc,
}

impl LineStore {
    /// An empty one; `name` is that of its memory.
    pub fn new(name: &'static CStr) -> LineStore {
        let context = Context::top().child(name);
        // SAFETY: what is made here lives in the context.
        let (rows, descriptor) = context.inside(|| unsafe {
            let descriptor = pg_sys::CreateTemplateTupleDesc(1);
            pg_sys::TupleDescInitEntry(descriptor, 1, c"lines".as_ptr(), pg_sys::TEXTOID, -1, 0);
            let rows = pg_sys::tuplestore_begin_heap(true, true, pg_sys::work_mem);
            (rows, descriptor)
        });
        LineStore {
            context,
            rows,
            descriptor,
        }
    }

    pub fn add(&self, lines: &str) {
        let value = lines.into_datum().unwrap_or(Datum::from(0));
        let (mut values, mut nulls) = ([value], [false]);
        // SAFETY: one text column; the store copies the value.
        unsafe {
            pg_sys::tuplestore_putvalues(
                self.rows,
                self.descriptor,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
        }
    }

    /// Visits all that was added, as it was added.
    pub fn each(&self, visit: &mut dyn FnMut(&str)) {
        // SAFETY: the slot has the store's shape and is dropped again (or, on an error, with the transaction).
        unsafe {
            pg_sys::tuplestore_rescan(self.rows);
            let slot = pg_sys::MakeSingleTupleTableSlot(
                self.descriptor,
                std::ptr::addr_of!(pg_sys::TTSOpsMinimalTuple),
            );
            while pg_sys::tuplestore_gettupleslot(self.rows, true, false, slot) {
                pg_sys::slot_getsomeattrs_int(slot, 1);
                let lines = String::from_datum(*(*slot).tts_values, *(*slot).tts_isnull);
                visit(&lines.unwrap_or_default());
            }
            pg_sys::ExecDropSingleTupleTableSlot(slot);
        }
    }
}

impl Drop for LineStore {
    fn drop(&mut self) {
        // SAFETY: made by `new`, ended once; at the end of the process everything goes by itself.
        unsafe {
            if !pg_sys::proc_exit_inprogress {
                pg_sys::tuplestore_end(self.rows);
                pg_sys::MemoryContextDelete(self.context.as_ptr());
            }
        }
    }
}
