//! PostgreSQL's lists and nodes.

use pgrx::pg_sys::{self, List};

/// The elements of a list of pointers (a null list is empty).
///
/// # Safety
/// `list` is null or a valid list of pointers to `T`, not changed during the iteration.
pub unsafe fn items<T>(list: *const List) -> impl DoubleEndedIterator<Item = *mut T> {
    let length = if list.is_null() {
        0
    } else {
        // SAFETY: a valid list by the caller's promise.
        unsafe { (*list).length }
    };
    (0..length).map(move |index| {
        // SAFETY: the index is below the list's length.
        unsafe { (*(*list).elements.add(index as usize)).ptr_value.cast() }
    })
}

/// A deep copy.
///
/// # Safety
/// `node` is null or a valid node or list.
pub unsafe fn copy<T>(node: *mut T) -> *mut T {
    // SAFETY: by the caller's promise.
    unsafe { pg_sys::copyObjectImpl(node.cast()).cast() }
}
