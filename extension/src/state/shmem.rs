//! The sidecar's view of the cluster in shared memory: one JSON text, written by `expanse.publish_status`.
//!
//! It is not in a table because it changes by itself, must not cost WAL, and has to be there on a read-only standby too.
//!
//! # Invariants
//! Everything behind the header is read and written under the lock; a reader copies it out before it does anything that
//! can fail.

use super::guc::STATUS_MEMORY;
use pgrx::pg_sys;
use std::ffi::CStr;

const NAME: &CStr = c"expanse";

/// What the segment begins with; the text follows.
#[repr(C)]
struct Header {
    capacity: usize,
    length: usize,
}

static mut PREVIOUS_REQUEST: pg_sys::shmem_request_hook_type = None;
static mut PREVIOUS_STARTUP: pg_sys::shmem_startup_hook_type = None;
static mut SEGMENT: *mut Header = std::ptr::null_mut();
static mut LOCK: *mut pg_sys::LWLock = std::ptr::null_mut();

/// Registers the hooks that reserve and set up the segment; called once while the library is preloaded.
pub fn init() {
    // SAFETY: at load the postmaster is single-threaded; each pointer is saved before it is replaced.
    unsafe {
        PREVIOUS_REQUEST = pg_sys::shmem_request_hook;
        pg_sys::shmem_request_hook = Some(request);
        PREVIOUS_STARTUP = pg_sys::shmem_startup_hook;
        pg_sys::shmem_startup_hook = Some(startup);
    }
}

fn capacity() -> usize {
    usize::try_from(STATUS_MEMORY.get()).unwrap_or(0) * 1024
}

fn segment_size() -> usize {
    std::mem::size_of::<Header>() + capacity()
}

unsafe extern "C-unwind" fn request() {
    // SAFETY: PostgreSQL calls this when shared memory may be asked for; nothing droppable lives in this frame.
    unsafe {
        if let Some(previous) = PREVIOUS_REQUEST {
            previous();
        }
        pg_sys::RequestAddinShmemSpace(segment_size());
        pg_sys::RequestNamedLWLockTranche(NAME.as_ptr(), 1);
    }
}

unsafe extern "C-unwind" fn startup() {
    // SAFETY: PostgreSQL calls this once a process, under conditions where ShmemInitStruct may be called; the segment has
    // the size that was asked for, and the lock guards its set-up.
    unsafe {
        if let Some(previous) = PREVIOUS_STARTUP {
            previous();
        }
        LOCK = std::ptr::addr_of_mut!((*pg_sys::GetNamedLWLockTranche(NAME.as_ptr())).lock);
        let mut found = false;
        SEGMENT = pg_sys::ShmemInitStruct(NAME.as_ptr(), segment_size(), &mut found).cast();
        if !found {
            SEGMENT.write(Header {
                capacity: capacity(),
                length: 0,
            });
        }
    }
}

/// Keeps a text; false when it does not fit.
pub fn store(text: &str) -> bool {
    // SAFETY: the segment was set up at start; the lock is held while it is written, and nothing in between can fail.
    unsafe {
        if SEGMENT.is_null() || text.len() > (*SEGMENT).capacity {
            return false;
        }
        pg_sys::LWLockAcquire(LOCK, pg_sys::LWLockMode::LW_EXCLUSIVE);
        std::ptr::copy_nonoverlapping(text.as_ptr(), SEGMENT.add(1).cast(), text.len());
        (*SEGMENT).length = text.len();
        pg_sys::LWLockRelease(LOCK);
        true
    }
}

/// The text kept last; `None` when there is none yet.
pub fn fetch() -> Option<String> {
    // SAFETY: as in `store`; the buffer is allocated before the lock is taken.
    unsafe {
        if SEGMENT.is_null() {
            return None;
        }
        let mut bytes: Vec<u8> = Vec::with_capacity((*SEGMENT).capacity);
        pg_sys::LWLockAcquire(LOCK, pg_sys::LWLockMode::LW_SHARED);
        let length = (*SEGMENT).length;
        std::ptr::copy_nonoverlapping(SEGMENT.add(1).cast(), bytes.as_mut_ptr(), length);
        pg_sys::LWLockRelease(LOCK);
        bytes.set_len(length);
        String::from_utf8(bytes)
            .ok()
            .filter(|text| !text.is_empty())
    }
}
