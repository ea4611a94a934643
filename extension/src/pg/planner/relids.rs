//! Sets of indexes of the range table.

use crate::pg::entry::guarded;
use crate::pg::raw;
use crate::pg::tree::{ListRef, NodeRef};
use pgrx::pg_sys::{self, Bitmapset, RestrictInfo};
use std::marker::PhantomData;

/// A set of indexes of the range table (from 1), which never changes.
#[derive(Clone, Copy)]
pub struct Relids<'a> {
    /// Null when it is empty.
    set: *mut Bitmapset,
    planning: PhantomData<&'a Bitmapset>,
}

impl Relids<'_> {
    /// # Safety
    /// Null, or a valid set that does not change as long as the result is used.
    pub unsafe fn new(set: *mut Bitmapset) -> Self {
        Relids {
            set,
            planning: PhantomData,
        }
    }

    pub fn empty() -> Self {
        Relids {
            set: std::ptr::null_mut(),
            planning: PhantomData,
        }
    }

    pub fn of(index: i32) -> Self {
        // SAFETY: a new set of one positive number.
        unsafe { Relids::new(pg_sys::bms_make_singleton(index)) }
    }

    /// The tables of the items of FROM.
    pub fn of_from(items: ListRef<'_>) -> Self {
        items.iter().fold(Relids::empty(), |all, item| {
            // SAFETY: a valid item of a join tree; the set is new.
            let of_item = unsafe {
                Relids::new(guarded(|| {
                    raw::get_relids_in_jointree(item.as_ptr(), false)
                }))
            };
            all.union(of_item)
        })
    }

    pub fn union(self, other: Relids<'_>) -> Self {
        // SAFETY: two valid sets; the union is a new one.
        unsafe { Relids::new(pg_sys::bms_union(self.set, other.set)) }
    }

    pub fn contains(self, index: i32) -> bool {
        // SAFETY: a valid set.
        unsafe { pg_sys::bms_is_member(index, self.set) }
    }

    pub fn is_subset_of(self, other: Relids<'_>) -> bool {
        // SAFETY: two valid sets.
        unsafe { pg_sys::bms_is_subset(self.set, other.set) }
    }

    pub fn is_empty(self) -> bool {
        self.set.is_null()
    }

    /// For PostgreSQL's structures.
    pub fn as_ptr(self) -> *mut Bitmapset {
        self.set
    }
}

impl<'a> NodeRef<'a, RestrictInfo> {
    /// The tables that the condition needs.
    pub fn required_relids(self) -> Relids<'a> {
        // SAFETY: a field of a valid condition.
        unsafe { Relids::new(self.required_relids) }
    }
}
