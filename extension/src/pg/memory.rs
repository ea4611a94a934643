//! Memory of PostgreSQL's: contexts, and Rust values that live as long as one.

use pgrx::pg_sys::{self, MemoryContext};
use std::ffi::{c_void, CStr};

/// A memory context that is deleted with its parent, and not used afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context(MemoryContext);

impl Context {
    /// # Safety
    /// A valid context, which lives as long as the result is used.
    pub unsafe fn of(context: MemoryContext) -> Context {
        Context(context)
    }

    /// The current one.
    pub fn current() -> Context {
        // SAFETY: a plain variable of the backend.
        Context(unsafe { pg_sys::CurrentMemoryContext })
    }

    /// The one that lives as long as the backend and holds what is looked up again and again.
    pub fn cache() -> Context {
        // SAFETY: a plain variable of the backend, set before any code of ours runs.
        Context(unsafe { pg_sys::CacheMemoryContext })
    }

    /// The one that lives as long as the backend.
    pub fn top() -> Context {
        // SAFETY: a plain variable of the backend.
        Context(unsafe { pg_sys::TopMemoryContext })
    }

    /// A new one below this.
    pub fn child(self, name: &'static CStr) -> Context {
        self.with_sizes(
            name,
            pg_sys::ALLOCSET_DEFAULT_MINSIZE,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE,
        )
    }

    /// The same for a few small values.
    pub fn small_child(self, name: &'static CStr) -> Context {
        self.with_sizes(
            name,
            pg_sys::ALLOCSET_SMALL_MINSIZE,
            pg_sys::ALLOCSET_SMALL_INITSIZE,
            pg_sys::ALLOCSET_SMALL_MAXSIZE,
        )
    }

    fn with_sizes(self, name: &'static CStr, least: u32, first: u32, most: u32) -> Context {
        // SAFETY: a valid parent and a constant name.
        Context(unsafe {
            pg_sys::AllocSetContextCreateInternal(
                self.0,
                name.as_ptr(),
                least as usize,
                first as usize,
                most as usize,
            )
        })
    }

    /// Runs `work` with this as the current context.
    pub fn inside<T>(self, work: impl FnOnce() -> T) -> T {
        // SAFETY: a valid context (`of`).
        let _back = Back(unsafe { pg_sys::MemoryContextSwitchTo(self.0) });
        work()
    }

    /// Frees everything in it.
    pub fn reset(self) {
        // SAFETY: a valid context (`of`).
        unsafe { pg_sys::MemoryContextReset(self.0) };
    }

    /// The same outside of [`crate::pg::entry::entry`].
    ///
    /// # Safety
    /// Nothing droppable lives in the callers' frames.
    pub unsafe fn reset_unguarded(self) {
        // SAFETY: a valid context (`of`); the rest as the caller promises.
        unsafe { crate::pg::raw::MemoryContextReset(self.0) };
    }

    /// Frees everything in it, then runs `work` with this as the current context.
    pub fn renewed<T>(self, work: impl FnOnce() -> T) -> T {
        self.reset();
        self.inside(work)
    }

    /// Keeps a value until the context is reset or deleted, also when an error does that; it is dropped then.
    pub fn keep<T>(self, value: T) -> *mut T {
        let size = std::mem::size_of::<pg_sys::MemoryContextCallback>();
        // SAFETY: the callback structure is allocated in the very context whose reset calls it, once, with the boxed value.
        unsafe {
            let callback: *mut pg_sys::MemoryContextCallback =
                pg_sys::MemoryContextAllocZero(self.0, size).cast();
            let value = Box::into_raw(Box::new(value));
            (*callback).func = Some(discard::<T>);
            (*callback).arg = value.cast();
            pg_sys::MemoryContextRegisterResetCallback(self.0, callback);
            value
        }
    }

    /// For PostgreSQL's functions.
    pub fn as_ptr(self) -> MemoryContext {
        self.0
    }
}

/// The context that was current before, which is again when this is dropped.
struct Back(MemoryContext);

impl Drop for Back {
    fn drop(&mut self) {
        // SAFETY: the context that was current before, which outlives the frame that has switched.
        unsafe { pg_sys::MemoryContextSwitchTo(self.0) };
    }
}

/// A memory context of its holder's, deleted when that is dropped.
pub struct OwnedContext(Context);

impl OwnedContext {
    /// One for a few small values, which may live as long as the backend.
    pub fn small(name: &'static CStr) -> OwnedContext {
        OwnedContext(Context::cache().small_child(name))
    }

    pub fn inside<T>(&self, work: impl FnOnce() -> T) -> T {
        self.0.inside(work)
    }
}

impl Drop for OwnedContext {
    fn drop(&mut self) {
        // At the end of the process PostgreSQL's contexts go first.
        if !crate::pg::session::exiting() {
            // SAFETY: made in `small`, deleted once.
            unsafe { pg_sys::MemoryContextDelete(self.0 .0) };
        }
    }
}

/// Keeps a value until the current memory context is reset or deleted.
pub fn keep<T>(value: T) -> *mut T {
    Context::current().keep(value)
}

unsafe extern "C-unwind" fn discard<T>(value: *mut c_void) {
    // SAFETY: registered by `keep` with a boxed T, called once.
    drop(unsafe { Box::from_raw(value.cast::<T>()) });
}
