//! State of this server and session: settings, shared memory, what kind of session this is.

pub mod control;
pub mod guc;
pub mod peer;
pub mod segment;
pub mod shmem;
pub mod status;

use pgrx::pg_sys;

/// Reserves shared memory and starts what lives as long as the server.
pub fn init() {
    segment::install();
    shmem::init();
}

/// Is the library being loaded through `shared_preload_libraries`?
pub fn preloading() -> bool {
    // SAFETY: a plain flag of the backend.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress }
}

/// PostgreSQL's clock, in microseconds: the same for all sessions of the server.
pub fn now() -> i64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// Does this session execute fragments for another node (or feed logical replication), so that
/// distributed tables are to be taken as the ordinary local tables they are here?
pub fn internal_session() -> bool {
    // SAFETY: plain flags of the backend.
    guc::INTERNAL.get()
        || peer::proven()
        || unsafe { pg_sys::am_walsender || pg_sys::IsLogicalWorker() }
}
