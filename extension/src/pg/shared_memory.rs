//! Pieces of shared memory: each a structure behind a lock of its own, reserved and set up when the server starts.
//!
//! # Invariants
//! What is behind a lock is plain data, and nothing that can fail happens while the lock is held.

use pgrx::pg_sys;
use std::cell::{Cell, RefCell};
use std::ffi::CStr;

/// A piece of shared memory. Declared as a static; [`Segment::reserve`] is called while the library is preloaded.
pub struct Segment<T: 'static> {
    name: &'static CStr,
    /// Bytes that follow the structure.
    extra: fn() -> usize,
    /// Fills new, zeroed memory.
    set_up: fn(&mut T),
    place: Cell<*mut T>,
    lock: Cell<*mut pg_sys::LWLock>,
}

// SAFETY: backends have one thread; what is shared between them is behind the lock.
unsafe impl<T> Sync for Segment<T> {}

/// A segment of any type, as the hooks see it.
trait Piece: Sync {
    fn request(&self);
    fn attach(&self);
}

thread_local! {
    static PIECES: RefCell<Vec<&'static dyn Piece>> = const { RefCell::new(Vec::new()) };
}

static mut PREVIOUS_REQUEST: pg_sys::shmem_request_hook_type = None;
static mut PREVIOUS_STARTUP: pg_sys::shmem_startup_hook_type = None;

/// Installs the hooks that reserve and set up all segments; called once while the library is preloaded.
pub fn install() {
    // SAFETY: at load the postmaster is single-threaded; each pointer is saved before it is replaced.
    unsafe {
        PREVIOUS_REQUEST = pg_sys::shmem_request_hook;
        pg_sys::shmem_request_hook = Some(request);
        PREVIOUS_STARTUP = pg_sys::shmem_startup_hook;
        pg_sys::shmem_startup_hook = Some(startup);
    }
}

unsafe extern "C-unwind" fn request() {
    // SAFETY: PostgreSQL calls this when shared memory may be asked for; nothing droppable lives in this frame.
    unsafe {
        if let Some(previous) = PREVIOUS_REQUEST {
            previous();
        }
    }
    crate::pg::entry::entry(|| {
        PIECES.with_borrow(|pieces| pieces.iter().for_each(|p| p.request()))
    });
}

unsafe extern "C-unwind" fn startup() {
    // SAFETY: PostgreSQL calls this where ShmemInitStruct may be called; nothing droppable lives in this frame.
    unsafe {
        if let Some(previous) = PREVIOUS_STARTUP {
            previous();
        }
    }
    crate::pg::entry::entry(|| PIECES.with_borrow(|pieces| pieces.iter().for_each(|p| p.attach())));
}

impl<T> Segment<T> {
    /// A structure with `extra()` bytes behind it. All-zero bytes must be a value of the structure.
    pub const fn new(name: &'static CStr, extra: fn() -> usize, set_up: fn(&mut T)) -> Segment<T> {
        Segment {
            name,
            extra,
            set_up,
            place: Cell::new(std::ptr::null_mut()),
            lock: Cell::new(std::ptr::null_mut()),
        }
    }

    /// Asks for the memory; called once while the library is preloaded.
    pub fn reserve(&'static self) {
        PIECES.with_borrow_mut(|pieces| pieces.push(self));
    }

    fn size(&self) -> usize {
        std::mem::size_of::<T>() + (self.extra)()
    }

    /// Works on it under the exclusive lock; `None` when the library was not preloaded. `work` must not fail.
    pub fn change<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.locked(pg_sys::LWLockMode::LW_EXCLUSIVE, |place| {
            // SAFETY: set up at start, and locked exclusively.
            work(unsafe { &mut *place })
        })
    }

    /// Looks at it under the shared lock; `None` when the library was not preloaded. `work` must not fail.
    pub fn look<R>(&self, work: impl FnOnce(&T) -> R) -> Option<R> {
        self.locked(pg_sys::LWLockMode::LW_SHARED, |place| {
            // SAFETY: set up at start, and no other session writes while the lock is held.
            work(unsafe { &*place })
        })
    }

    /// What an unlocked look gives: for flags whose staleness does not matter.
    pub fn peek<R>(&self, work: impl FnOnce(*const T) -> R) -> Option<R> {
        let place = self.place.get();
        (!place.is_null()).then(|| work(place))
    }

    fn locked<R>(
        &self,
        mode: pg_sys::LWLockMode::Type,
        work: impl FnOnce(*mut T) -> R,
    ) -> Option<R> {
        let (place, lock) = (self.place.get(), self.lock.get());
        if place.is_null() {
            return None;
        }
        // SAFETY: the lock was found at start; it is released by the end of the transaction should `work` unwind.
        unsafe { pg_sys::LWLockAcquire(lock, mode) };
        let result = work(place);
        // SAFETY: acquired above.
        unsafe { pg_sys::LWLockRelease(lock) };
        Some(result)
    }
}

impl<T> Piece for Segment<T> {
    fn request(&self) {
        // SAFETY: called by the hook that is there for it.
        unsafe {
            pg_sys::RequestAddinShmemSpace(self.size());
            pg_sys::RequestNamedLWLockTranche(self.name.as_ptr(), 1);
        }
    }

    fn attach(&self) {
        // SAFETY: called by the hook that is there for it; the memory has the size that was asked for.
        unsafe {
            let tranche = pg_sys::GetNamedLWLockTranche(self.name.as_ptr());
            self.lock.set(std::ptr::addr_of_mut!((*tranche).lock));
            let mut found = false;
            let size = self.size();
            let place: *mut T =
                pg_sys::ShmemInitStruct(self.name.as_ptr(), size, &mut found).cast();
            if !found {
                std::ptr::write_bytes(place.cast::<u8>(), 0, size);
                (self.set_up)(&mut *place);
            }
            self.place.set(place);
        }
    }
}
