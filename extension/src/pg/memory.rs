//! Rust values that live as long as PostgreSQL's memory.

use pgrx::pg_sys;
use std::ffi::c_void;

/// Keeps a value until the current memory context is reset or deleted, also when an error does that; it is dropped then.
pub fn keep<T>(value: T) -> *mut T {
    // SAFETY: the callback structure is palloc'd in the very context whose reset calls it, once, with the boxed value.
    unsafe {
        let value = Box::into_raw(Box::new(value));
        let callback = pg_sys::palloc0(std::mem::size_of::<pg_sys::MemoryContextCallback>())
            .cast::<pg_sys::MemoryContextCallback>();
        (*callback).func = Some(discard::<T>);
        (*callback).arg = value.cast();
        pg_sys::MemoryContextRegisterResetCallback(pg_sys::CurrentMemoryContext, callback);
        value
    }
}

unsafe extern "C-unwind" fn discard<T>(value: *mut c_void) {
    // SAFETY: registered by `keep` with a boxed T, called once.
    drop(unsafe { Box::from_raw(value.cast::<T>()) });
}
