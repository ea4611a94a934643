//! Transactions over nodes that were lately prepared on this node, in shared memory.
//!
//! # Invariants
//! An entry is written before its transaction is prepared (or, on the coordinator, commits). An entry whose transaction is
//! still in progress is not overwritten while there is another one.

use pgrx::pg_sys;
use std::ffi::CStr;

const NAME: &CStr = c"expanse transactions";

/// How many transactions are remembered.
pub const CAPACITY: usize = 1024;

/// One transaction: its fingerprint, and its id on this node (0: the slot is free).
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Entry {
    pub fingerprint: u64,
    /// The nodes that take part (`expanse_core::snapshots::member`); 0 when not known.
    pub members: u64,
    /// When it was recorded, in microseconds of PostgreSQL's clock.
    pub at: i64,
    pub xid: u32,
}

#[repr(C)]
struct Ring {
    restored: bool,
    next: usize,
    entries: [Entry; CAPACITY],
}

static mut PREVIOUS_REQUEST: pg_sys::shmem_request_hook_type = None;
static mut PREVIOUS_STARTUP: pg_sys::shmem_startup_hook_type = None;
static mut RING: *mut Ring = std::ptr::null_mut();
static mut LOCK: *mut pg_sys::LWLock = std::ptr::null_mut();

/// Registers the hooks that reserve and set up the ring; called once while the library is preloaded.
pub fn init() {
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
        pg_sys::RequestAddinShmemSpace(std::mem::size_of::<Ring>());
        pg_sys::RequestNamedLWLockTranche(NAME.as_ptr(), 1);
    }
}

unsafe extern "C-unwind" fn startup() {
    // SAFETY: PostgreSQL calls this where ShmemInitStruct may be called; all-zero bytes are an empty ring.
    unsafe {
        if let Some(previous) = PREVIOUS_STARTUP {
            previous();
        }
        LOCK = std::ptr::addr_of_mut!((*pg_sys::GetNamedLWLockTranche(NAME.as_ptr())).lock);
        let mut found = false;
        RING =
            pg_sys::ShmemInitStruct(NAME.as_ptr(), std::mem::size_of::<Ring>(), &mut found).cast();
        if !found {
            std::ptr::write_bytes(RING, 0, 1);
        }
    }
}

/// Remembers a transaction that is about to be prepared, or to commit here, under this id.
pub fn record(entry: Entry) {
    // SAFETY: the ring was set up at start; nothing between acquire and release can fail.
    unsafe {
        if RING.is_null() {
            return;
        }
        pg_sys::LWLockAcquire(LOCK, pg_sys::LWLockMode::LW_EXCLUSIVE);
        let ring = &mut *RING;
        for _ in 0..CAPACITY {
            let oldest = ring.entries[ring.next];
            if oldest.xid == 0 || !pg_sys::TransactionIdIsInProgress(oldest.xid.into()) {
                break;
            }
            ring.next = (ring.next + 1) % CAPACITY;
        }
        ring.entries[ring.next] = entry;
        ring.next = (ring.next + 1) % CAPACITY;
        pg_sys::LWLockRelease(LOCK);
    }
}

/// All transactions that are remembered.
pub fn entries() -> Vec<Entry> {
    restore();
    let mut found = Vec::with_capacity(CAPACITY);
    // SAFETY: as in `record`; the vector does not grow under the lock.
    unsafe {
        if RING.is_null() {
            return found;
        }
        pg_sys::LWLockAcquire(LOCK, pg_sys::LWLockMode::LW_SHARED);
        found.extend((*RING).entries.iter().filter(|entry| entry.xid != 0));
        pg_sys::LWLockRelease(LOCK);
    }
    found
}

/// After a restart of the server, what is prepared is found in PostgreSQL's own list. Called by readers only: a transaction
/// that is about to be prepared may have no snapshot to query with.
fn restore() {
    // SAFETY: a flag that changes once, from false to true; two backends that both restore only repeat entries.
    unsafe {
        if RING.is_null() || (*RING).restored {
            return;
        }
        (*RING).restored = true;
    }
    for (name, xid) in super::report::prepared_here() {
        record(Entry {
            fingerprint: super::fingerprint(&name),
            members: 0,
            at: 0,
            xid,
        });
    }
}
