//! Slots: where the executor keeps a row.

use crate::pg::raw;
use pgrx::pg_sys::{self, Datum, FormData_pg_attribute, TupleTableSlot};
use std::ptr::NonNull;

/// A slot of a running query.
#[derive(Clone, Copy)]
pub struct Slot(NonNull<TupleTableSlot>);

impl Slot {
    /// `None` for a null pointer.
    ///
    /// # Safety
    /// Null, or a slot that lives as long as the result is used.
    pub unsafe fn new(slot: *mut TupleTableSlot) -> Option<Slot> {
        NonNull::new(slot).map(Slot)
    }

    /// A row that a plan has given; `None` at its end.
    ///
    /// # Safety
    /// As for [`Slot::new`].
    pub unsafe fn with_row(slot: *mut TupleTableSlot) -> Option<Slot> {
        // SAFETY: as the caller promises.
        unsafe { Slot::new(slot) }.filter(|slot| !slot.is_empty())
    }

    pub fn as_ptr(self) -> *mut TupleTableSlot {
        self.0.as_ptr()
    }

    fn get(&self) -> &TupleTableSlot {
        // SAFETY: a valid slot (`new`).
        unsafe { self.0.as_ref() }
    }

    pub fn is_empty(self) -> bool {
        self.get().tts_flags & pg_sys::TTS_FLAG_EMPTY as u16 != 0
    }

    /// The columns of its rows.
    pub fn attributes<'a>(self) -> &'a [FormData_pg_attribute] {
        // SAFETY: a slot of a running query has a descriptor, behind which its attributes lie.
        unsafe {
            let descriptor = self.get().tts_tupleDescriptor;
            std::slice::from_raw_parts((*descriptor).attrs.as_ptr(), (*descriptor).natts as usize)
        }
    }

    /// Values and null flags of the row's first `count` columns. They hold until the slot's next row.
    pub fn values<'a>(self, count: usize) -> (&'a [Datum], &'a [bool]) {
        assert!(count <= self.attributes().len(), "a column of the row");
        // SAFETY: a slot has as many values as its descriptor says; taking a row apart raises nothing for such a column.
        unsafe {
            if (self.get().tts_nvalid as usize) < count {
                raw::slot_getsomeattrs_int(self.as_ptr(), count as i32);
            }
            (
                std::slice::from_raw_parts(self.get().tts_values, count),
                std::slice::from_raw_parts(self.get().tts_isnull, count),
            )
        }
    }

    /// A column (from 1) of the row; `None` is NULL.
    pub fn value(self, column: i16) -> Option<Datum> {
        let count = column as usize;
        let (values, nulls) = self.values(count);
        (!nulls[count - 1]).then(|| values[count - 1])
    }

    /// Empties the slot.
    pub fn clear(self) {
        // SAFETY: every slot can be cleared, which raises nothing.
        unsafe {
            if let Some(clear) = (*self.get().tts_ops).clear {
                clear(self.as_ptr());
            }
        }
    }

    /// Puts a row into a virtual slot: `fill` sets values and null flags of all columns. What it sets is used, not copied.
    pub fn store(self, fill: impl FnOnce(&mut [Datum], &mut [bool])) {
        let columns = self.attributes().len();
        self.clear();
        // SAFETY: a slot has room for as many values as its descriptor says, and nothing else reads them while it is empty;
        // storing sets flags only.
        unsafe {
            fill(
                std::slice::from_raw_parts_mut(self.get().tts_values, columns),
                std::slice::from_raw_parts_mut(self.get().tts_isnull, columns),
            );
            raw::ExecStoreVirtualTuple(self.as_ptr());
        }
    }

    /// Says which table its rows are of.
    pub fn set_table(self, table: pg_sys::Oid) {
        // SAFETY: a valid slot (`new`); a plain field.
        unsafe { (*self.as_ptr()).tts_tableOid = table };
    }
}
